"""How much longer than a candidate's a final training may take."""

from __future__ import annotations

import math

import pytest

from fulmen.search.fidelity import Fidelity, Final


@pytest.mark.parametrize(
    ("candidates", "final", "epochs", "times"),
    [
        ({"epochs": 6, "data": 0.5}, {"epochs": 30}, 30, 10.0),
        ({"epochs": 6}, {}, 30, 5.0),
        ({}, {"epochs": 4}, 8, 1.0),  # never less than a candidate
        ({}, {}, None, 1.0),
        ({}, {}, -1, 1.0),
        ({"epochs": 2}, {}, None, math.inf),  # Lightning goes on until somebody stops it
        ({"epochs": 2}, {}, -1, math.inf),
    ],
)
def test_the_allowance_goes_by_epochs_and_data(candidates, final, epochs, times):
    assert Final(**final).allowance(Fidelity(**candidates), epochs) == times
