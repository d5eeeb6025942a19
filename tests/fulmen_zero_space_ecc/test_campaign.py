"""The campaign: when it stops, that pieces and their order change nothing."""

from __future__ import annotations

import math

import pytest
from fault_toys import batches, image

from fulmen_zero_space_ecc.campaign.faults import Independent
from fulmen_zero_space_ecc.campaign.intervals import mean_interval
from fulmen_zero_space_ecc.campaign.resident import Resident
from fulmen_zero_space_ecc.campaign.running import Cell, Effort, difference, run_campaign, run_piece
from fulmen_zero_space_ecc.campaign.trial import Outcome, Workbench


def outcome(accuracy):
    return Outcome(accuracy, 0, 0, 0, 0, "").plain()


def accuracies(trial, scheme):
    """Noisy or steady, as the scheme is called."""
    return 0.5 + (0.2 * math.sin(97.0 * trial) if scheme == "noisy" else 0.001 * math.sin(31.0 * trial))


def play(pieces, _number, reverse=False):
    return [
        [outcome(accuracies(trial, p["scheme"])) for trial in range(p["first"], p["first"] + p["count"])]
        for p in pieces
    ]


def test_a_cell_stops_when_its_interval_is_narrow_enough():
    effort = Effort(trials=500, min_trials=30, half_width=0.02, piece=7)
    noisy, steady = run_campaign(["noisy", "steady"], [0.1], effort, play)

    assert len(steady.outcomes) == 30
    assert 30 < len(noisy.outcomes) < 500
    assert mean_interval(noisy.accuracies).half_width <= 0.02
    assert noisy.accuracies == [accuracies(trial, "noisy") for trial in range(len(noisy.outcomes))]
    ends = [trials.stop for trials in effort.rounds()]
    before = max(end for end in ends if end < len(noisy.outcomes))
    assert mean_interval(noisy.accuracies[:before]).half_width > 0.02


def test_without_a_width_all_trials_run_at_once():
    rounds = []

    def note(pieces, number):
        rounds.append(number)
        return play(pieces, number)

    cells = run_campaign(["noisy", "steady"], [0.1, 0.2], Effort(trials=33, half_width=None), note)
    assert rounds == [0]
    assert [len(cell.outcomes) for cell in cells] == [33] * 4


@pytest.mark.parametrize("trials", [1, 2, 29, 30, 31, 200, 1000])
@pytest.mark.parametrize("width", [None, 1e-9])
def test_rounds_cover_all_trials_once(trials, width):
    rounds = Effort(trials=trials, min_trials=30, half_width=width).rounds()
    assert [trial for some in rounds for trial in some] == list(range(trials))


def test_pieces_of_any_size_give_the_same_outcomes():
    resident = Resident(image(), batches(1))
    bench = Workbench(resident, 3, Independent(), resident.image.target())
    whole = run_piece(bench, {"scheme": "none", "rate": 0.01, "first": 0, "count": 6})
    fresh = Workbench(resident, 3, Independent(), resident.image.target())
    parts = [
        run_piece(fresh, {"scheme": "none", "rate": 0.01, "first": first, "count": 2}) for first in (4, 0, 2)
    ]
    assert parts[1] + parts[2] + parts[0] == whole
    assert len({row[5] for row in whole}) == 6
    other = Workbench(resident, 4, Independent(), resident.image.target())
    assert run_piece(other, {"scheme": "none", "rate": 0.01, "first": 0, "count": 6}) != whole


def test_differences_are_paired_by_trial():
    one = Cell("a", 0.1, [Outcome(0.1 * t + 0.01 * (t % 2), 0, 0, 0, 0, "") for t in range(9)])
    other = Cell("b", 0.1, [Outcome(0.1 * t, 0, 0, 0, 0, "") for t in range(7)])
    interval, pairs = difference(one, other, 0.95)
    assert pairs == 7
    assert interval.mean == pytest.approx(0.03 / 7)
    assert interval.half_width < 0.01


def test_a_cell_tells_mean_quantiles_and_worst():
    cell = Cell("a", 0.1, [Outcome(t / 100, t, 0, 0, 0, "") for t in range(101)])
    assert cell.accuracy == pytest.approx(0.5)
    assert cell.quantiles() == pytest.approx([0.01, 0.05, 0.25, 0.5, 0.75])
    assert cell.mean("corrected") == 50
    high = Cell("a", 0.1, [Outcome(a, 0, 0, 0, 0, "") for a in (1.0, 0.5)]).interval(0.95)
    assert (high.low, high.high) == (0.0, 1.0)
