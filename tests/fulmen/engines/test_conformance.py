"""One suite for all engines of the core; that of Ray, which is slow to begin, is in test_ray.py."""

from __future__ import annotations

import pytest

from fulmen.testing import EngineConformance


class TestInline(EngineConformance):
    component = "fulmen.engines.inline.InlineEngine"


@pytest.mark.process
class TestProcesses(EngineConformance):
    component = "fulmen.engines.processes.ProcessesEngine"
    init_args = {"workers": 2}


class TestSimulated(EngineConformance):
    component = "fulmen.testing.simulated.SimulatedEngine"
    init_args = {"workers": 2}
