"""The demo: what is done is not done again, and all acts keep within ten minutes."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def demo(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(REPOSITORY / "demo"))
    for module in ("run", "accidents", "verdicts"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    import run

    for name, path in (
        ("REPOSITORY", tmp_path),
        ("RUNS", tmp_path / "runs"),
        ("STATE", tmp_path / "acts.json"),
    ):
        monkeypatch.setattr(run, name, path)
    return run


def test_the_acts_take_ten_minutes_at_most(demo):
    assert sum(act.budget for act in demo.ACTS.values()) <= 600


def test_the_acts_run_configs_that_are_shipped(demo):
    configs = [word for act in demo.ACTS.values() for word in act.arguments if word.endswith(".yaml")]

    assert configs
    assert [config for config in configs if not (REPOSITORY / config).is_file()] == []


def test_an_interrupted_demo_goes_on_with_the_act_that_was_not_done(demo, monkeypatch, capsys):
    first, second = demo.ACTS["plugins"], demo.Act("Another.", None, ["--version"], str.strip, budget=0)
    monkeypatch.setattr(
        demo, "ACTS", {"first": first, "second": demo.Act("Fails.", None, ["no-verb"], str, budget=9)}
    )
    assert demo.main() == 2
    assert "the same command goes on from here" in capsys.readouterr().out

    monkeypatch.setattr(demo, "ACTS", {"first": first, "second": second})
    assert demo.main() == 0
    printed = capsys.readouterr().out

    assert "Act 'first' was done before: " in printed
    assert "=> fulmen " in printed
    assert "more than the 0 s that it should take" in printed
    assert not Path(demo.STATE).exists()
    assert (Path(demo.RUNS).parent / "runs" / "index.html").is_file()


def test_a_search_loses_nothing_with_the_worker_that_is_killed(demo, monkeypatch, capsys):
    """The act as it is played, with fewer candidates."""
    import accidents
    import verdicts

    act = demo.ACTS["search"]
    few = ["--budget.evaluations", "6", "--fidelity.epochs", "1"]
    for module, path in ((demo, REPOSITORY), (accidents, demo.RUNS / "demo"), (verdicts, demo.RUNS)):
        monkeypatch.setattr(module, "REPOSITORY" if module is demo else "RUNS", path)
    run = ["--run", str(demo.RUNS / "demo" / "search")]
    monkeypatch.setattr(
        demo, "ACTS", {"search": dataclasses.replace(act, arguments=[*act.arguments, *few, *run])}
    )

    assert demo.main() == 0
    printed = capsys.readouterr().out

    assert re.search(r"\*\* kill -9 \d+: one of its two workers, after \d+ results", printed)
    assert "=> 6 networks, lost: 0; a front of " in printed
