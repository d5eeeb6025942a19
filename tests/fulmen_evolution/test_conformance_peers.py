"""The searchers around Optuna and pymoo pass the conformance kit."""

from __future__ import annotations

import pytest

from fulmen.testing import SearcherConformance

SPACE = {"width": [4, 8, 16, 32], "lr": {"log": [0.001, 0.1]}, "depth": {"integer": [2, 9]}, "op": ["a", "b"]}


class TestOptuna(SearcherConformance):
    component = "evolution.optuna"
    init_args = {"space": SPACE, "objectives": {"loss": "min"}, "sampler": "NSGAIISampler"}

    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("optuna", reason="needs the extra 'optuna'")


class TestPymoo(SearcherConformance):
    component = "evolution.pymoo"
    init_args = {"space": SPACE, "objectives": {"loss": "min"}, "options": {"pop_size": 8}}

    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("pymoo", reason="needs the extra 'pymoo'")
