"""An analysis on another engine: the same report, and no word of it in the analyzer."""

from __future__ import annotations

import json
import os

import pytest
import yaml

from fulmen import Analyzer, Report

SHARED: dict[str, list[int]] = {}


def shared(name):
    return SHARED[name]


def square(numbers, item):
    return [numbers[item] ** 2, os.getpid()]


class Squares(Analyzer):
    """Squares what it holds in memory: no worker could build that from plain data.

    Args:
        count: How many.
    """

    def __init__(self, count: int = 6) -> None:
        self.count = count

    def analyze(self, context):
        SHARED["numbers"] = list(range(self.count))
        rows = context.map(square, range(self.count), "squares", setup=(shared, ("numbers",)))
        return Report(
            scalars={f"square/{number}": row[0] for number, row in enumerate(rows)},
            findings=[f"{len({row[1] for row in rows} - {os.getpid()})} other processes"],
        )


def analyze(run_fulmen, tmp_path, *options):
    document = {"analyzer": {"class_path": f"{__name__}.Squares"}, "trainer": {"logger": False}}
    (tmp_path / "analyze.yaml").write_text(yaml.safe_dump(document))
    return run_fulmen("analyze", "--config", "analyze.yaml", "--quiet", *options)


@pytest.mark.process
def test_the_report_is_the_same_in_other_processes(run_fulmen, tmp_path):
    for name, options in {"inline": [], "processes": ["--engine.workers=2"]}.items():
        ran = analyze(run_fulmen, tmp_path, "--engine", name, *options, "--run", name)
        assert ran.status == 0, ran.stderr

    reports = {name: Report.load(tmp_path / name) for name in ("inline", "processes")}
    assert (
        reports["inline"].scalars == reports["processes"].scalars == {f"square/{n}": n * n for n in range(6)}
    )
    assert reports["inline"].findings == ["0 other processes"]
    assert reports["processes"].findings == ["2 other processes"]


@pytest.mark.process
def test_the_engine_is_no_part_of_what_a_run_is(run_fulmen, tmp_path):
    """A run begun here goes on in processes: what decides the result is the same."""
    for engine in ("inline", "processes"):
        assert analyze(run_fulmen, tmp_path, "--engine", engine).status == 0

    first, second = sorted((tmp_path / "runs").glob("analyze-*"))
    digests = {json.loads((run / "status.json").read_text())["digest"] for run in (first, second)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "procesess"], "no engine is called 'procesess'; did you mean 'processes'"),
        (["--engine", "processes", "--engine.workers", "0"], "engine.init_args.workers: expected 1 to"),
    ],
)
def test_an_engine_that_makes_no_sense_is_refused(run_fulmen, tmp_path, options, said):
    ran = analyze(run_fulmen, tmp_path, *options)

    assert ran.status == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
