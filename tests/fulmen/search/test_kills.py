"""Searches whose processes are really killed: a short slice of ``tests/fulmen/chaos/killed_search.py``."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fulmen.search.interruption import Terminated, deferred_signals
from fulmen.study import Study

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def killed_search():
    path = Path(__file__).parent.parent / "chaos" / "killed_search.py"
    specification = importlib.util.spec_from_file_location("killed_search", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_kills_of_run_and_workers_lose_nothing(killed_search, tmp_path):
    found = killed_search.chaos(8, 1, "processes", 30, 0.6, tmp_path)

    assert found["told"] == 30
    assert not any(found[what] for what in ("missing", "lost", "twice", "wrong", "failed"))
    assert found["integrity"] == "ok"
    assert found["run"] + found["worker"] >= 4


def test_with_the_inline_engine_the_archive_is_that_of_an_uninterrupted_search(killed_search, tmp_path):
    """With rungs: those stopped at half time, and by what, are the same too."""
    for name, kills in {"whole": 0, "killed": 2}.items():
        (tmp_path / name).mkdir()
        found = killed_search.chaos(kills, 2, "inline", 20, 0.4, tmp_path / name, rungs=True)
        assert bool(found["run"]) == bool(kills)
        if name == "whole":
            archive = found["archive"]

    assert found["archive"] == archive
    assert len(archive) == 20
    assert 3 <= found["stuck"] < 20
    assert not any(found[what] for what in ("missing", "lost", "twice", "wrong", "failed"))


def test_a_search_that_is_terminated_says_so_and_goes_on(write_config, third_party, run_fulmen, tmp_path):
    """The real command, with real processes: terminated, then run again, here in this process."""
    name = write_config(
        engine={"class_path": "processes", "init_args": {"workers": 1}}, budget={"evaluations": 1000}
    )
    environment = {**os.environ, "PYTHONPATH": f"{third_party('climber')}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "fulmen", "search", "--config", name, "--run=out"]

    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while time.monotonic() < end and first.poll() is None:
        time.sleep(0.05)
        if (tmp_path / "out" / "study.sqlite").exists():
            try:
                with Study.read(tmp_path / "out") as study:
                    if len(study.told()) >= 1:
                        break
            except Exception:
                continue
    first.terminate()
    said = first.communicate(timeout=60)[1]
    with Study.read(tmp_path / "out") as study:
        told = study.told()

    assert first.returncode == 143, said
    assert "the same command goes on where it was" in said
    assert "search: 0 done, 1 running" in said  # where there is no terminal, lines say how far it is
    assert "search: 0 done, 1 running" in (tmp_path / "out" / "log.txt").read_text()
    assert json.loads((tmp_path / "out" / "status.json").read_text())["state"] == "interrupted"
    assert 1 <= len(told) < 1000
    second = run_fulmen(*command[3:], "--quiet", "--engine=inline", f"--budget.evaluations={len(told) + 3}")
    assert second.status == 0, second.stderr
    with Study.read(tmp_path / "out") as study:
        assert study.told()[: len(told)] == told
        assert len(study.told()) == len(told) + 3


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_waits_for_a_safe_moment(number, raised):
    steps = []
    before = signal.getsignal(number)
    with pytest.raises(raised), deferred_signals() as check:  # noqa: PT012
        check()
        os.kill(os.getpid(), number)
        steps.append("committed")
        check()
        steps.append("never")

    assert steps == ["committed"]
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    steps = []
    with pytest.raises(KeyboardInterrupt), deferred_signals():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("never")

    assert steps == ["first"]
