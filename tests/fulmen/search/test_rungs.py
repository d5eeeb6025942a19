"""Rungs let the best share go on, and a resumed search stops the same candidates."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fulmen import Report
from fulmen.errors import ConfigError
from fulmen.search.fidelity import Fidelity
from fulmen.search.rungs import LIMITS, at_rung, limits, with_limits
from fulmen.searching import Candidate, Evaluation
from fulmen.study import Study


def at(*values):
    return [Evaluation({at_rung(1): value}) for value in values]


@pytest.mark.parametrize(
    ("mode", "keep", "limit"), [("max", 0.5, 4.0), ("max", 0.25, 5.0), ("min", 0.5, 3.0), ("min", 0.9, 6.0)]
)
def test_the_limit_is_the_worst_of_the_share_that_goes_on(mode, keep, limit):
    found = limits(at(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), [1, 3], keep, mode)

    assert found == {"1": limit}  # nobody has reached the third epoch


def test_failures_count_as_the_worst_and_few_stop_nobody():
    assert limits(at(1.0, 2.0, 3.0), [1], 0.5, "max") == {}
    assert limits(at(1.0, 2.0, 3.0, 4.0, math.nan, math.nan), [1], 0.5, "max") == {"1": 2.0}
    assert with_limits(Candidate(0, {}, note={"a": 1}), {"1": 2.0}).note == {"a": 1, LIMITS: {"1": 2.0}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rungs": []}, "rungs: expected epochs that rise"),
        ({"rungs": [2, 2]}, "rungs: expected epochs that rise"),
        ({"rungs": [0]}, "rungs: expected epochs that rise"),
        ({"rungs": [1, 4], "epochs": 4}, r"end before epochs \(4\), got"),
        ({"keep": 1.0}, "keep: expected a share above 0 and below 1, got 1"),
    ],
)
def test_rungs_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        Fidelity(**options)


def test_a_search_stops_the_worse_and_says_what_they_needed(run_fulmen, write_config):
    name = write_config(fidelity={"epochs": 2, "rungs": [1], "keep": 0.25}, budget={"evaluations": 10})
    ran = run_fulmen("search", "--config", name, "--run=out", "--quiet")
    assert ran.status == 0, ran.stderr

    table = Report.load("out").tables["candidates"]
    with Study.read(Path("out")) as study:
        told = study.told()
    stopped = [one for one in told if one.evaluation.status == "stuck"]
    assert stopped
    assert set(table["status"]) == {"ok", "stuck"}
    for one in told:
        reached, limit = one.evaluation.values[at_rung(1)], one.candidate.note.get(LIMITS, {}).get("1")
        # The first objective is a loss.
        assert (one.evaluation.status == "stuck") == (limit is not None and reached > limit)
    assert "was needed to go on" in str(stopped[0].evaluation.failure)
