"""Promise: from what a rank sees of the others it concludes what happened, and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from fulmen.errors import DataError, RankError, UserError
from fulmen.ranks import is_told, verdicts, watching
from fulmen.ranks.folder import RankFolder
from fulmen.ranks.processes import ProcessId
from fulmen.ranks.verdicts import Verdict
from fulmen.ranks.watching import Place, Watch, stop_timeout

Process = subprocess.Popen[bytes]


@pytest.fixture
def folder(tmp_path: Path) -> RankFolder:
    folder = RankFolder(tmp_path / "ranks")
    folder.path.mkdir()
    folder.set_speaker()
    return folder


@pytest.fixture
def other() -> Iterator[Process]:
    """A process that is there and does nothing."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def enter(folder: RankFolder, process: Process, state: str = "running", verb: int = 1) -> None:
    """Say what rank 1 does, in its name."""
    folder._write("rank-1.json", {**asdict(ProcessId.of(process.pid)), "state": state, "verb": verb})
    folder.beat(1)


def kill(process: Process) -> None:
    """Kill a process, which stays a zombie as long as its parent does not ask for it."""
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def watch(folder: RankFolder, **options: object) -> Watch:
    return Watch(folder, Place(rank=0, first=0, size=2), **options)  # type: ignore[arg-type]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SHORT_PATIENCE", 0.0)
    monkeypatch.setenv("FULMEN_RANK_TIMEOUT", "1")


def test_a_long_step_is_not_a_stop(folder, other, impatient):
    enter(folder, other)
    watcher = watch(folder)
    watcher._look()
    time.sleep(1.2)  # no heartbeat for longer than allowed, as when a step keeps the interpreter

    assert watcher._look() is None
    other.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    assert watcher._look().kind == "stopped"


def test_a_run_that_was_suspended_as_a_whole_goes_on(folder, other, impatient, monkeypatch):
    monkeypatch.setattr(watching, "SUSPENDED", 0.5)
    enter(folder, other)
    watcher = watch(folder)
    watcher._look()
    other.send_signal(signal.SIGSTOP)
    time.sleep(1.2)  # this process did not look meanwhile: it was stopped, too

    assert watcher._look() is None


@pytest.mark.parametrize(
    ("state", "verb", "kind"),
    [("running", 1, "died"), ("interrupted", 1, "interrupted"), ("idle", 1, None), ("idle", 0, "died")],
)
def test_a_rank_that_is_gone_is_judged_by_what_it_did(folder, other, impatient, state, verb, kind):
    enter(folder, other, state, verb)
    watcher = watch(folder)
    assert watcher._look() is None
    kill(other)

    found = watcher._look()
    assert (found and found.kind) == kind


def test_a_parent_knows_what_its_child_died_of(folder, other, impatient):
    enter(folder, other)
    other.kill()
    other.wait()
    watcher = watch(folder, children=lambda: {1: other})

    assert watcher._look().line == f"rank 1 (pid {other.pid}) was killed by SIGKILL; the run is ended."


def test_a_child_that_never_joined_is_named(folder, impatient):
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
    child.wait()
    found = watch(folder, children=lambda: {1: child})._look()

    assert found.line.startswith(f"rank 1 (pid {child.pid}) ended with status 2 before it joined the run")
    assert found.exit_status == 2


def test_what_an_earlier_run_left_is_no_failure(tmp_path, folder, other, impatient):
    enter(folder, other)
    kill(other)
    late = watch(RankFolder(folder.path, fresh=False))
    late._me = ProcessId(os.getpid(), late._me.started + 1e9)

    assert late._look() is None


def test_ranks_end_when_the_process_that_spawned_them_is_gone(folder, other, impatient):
    enter(folder, other)
    gone = subprocess.Popen(["sleep", "60"])
    folder._write("speaker.json", asdict(ProcessId.of(gone.pid)))
    watcher = watch(folder, needs_speaker=True)
    assert watcher._look() is None
    gone.kill()
    gone.wait()

    assert "the process that started this run is gone" in watcher._look().line


def test_the_first_verdict_stands(folder):
    first = folder.pass_verdict(Verdict(1, 11, "raised", "first"))

    assert folder.pass_verdict(Verdict(0, 10, "raised", "second")) == first
    assert first.author == os.getpid()


def test_an_echo_becomes_the_error_of_the_rank_that_caused_it(folder, other, impatient, monkeypatch):
    monkeypatch.setattr(watching, "POLL", 0.05)
    enter(folder, other)
    watcher = watch(folder, children=lambda: {1: other})

    with (
        pytest.raises(RankError, match=rf"rank 1 \(pid {other.pid}\) was killed by SIGKILL") as raised,
        watcher,
    ):
        fail_when_killed(other)
    assert raised.value.exit_status == 1
    assert not is_told(raised.value)


def fail_when_killed(other: Process) -> None:
    other.kill()
    raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:5")


def test_an_error_of_this_ranks_own_stays_itself(folder, other, impatient):
    enter(folder, other)
    with pytest.raises(ValueError, match="mine"), watch(folder):
        raise ValueError("mine")

    found = folder.verdict()
    assert found.line == f"rank 0 (pid {os.getpid()}) raised ValueError: mine"
    assert 'raise ValueError("mine")' in found.details


def test_a_verb_that_ended_after_another_rank_failed_has_failed(folder, other, impatient):
    enter(folder, other)
    folder.pass_verdict(Verdict(1, 11, "raised", "rank 1 (pid 11) raised ValueError", exit_status=2))
    with pytest.raises(RankError, match="rank 1") as raised, watch(folder):
        pass

    assert raised.value.exit_status == 2


def test_a_rank_is_silent_about_what_the_first_process_tells(folder, other, monkeypatch, capsys):
    running = asdict(ProcessId.of(other.pid))
    folder._write("speaker.json", running)
    folder._write("rank-0.json", {**running, "state": "running", "verb": 1})
    monkeypatch.setattr(sys, "excepthook", lambda *error: print("TOLD"))
    one = Watch(folder, Place(rank=1, first=0, size=2))
    error = ValueError()
    one._hush(error)
    sys.excepthook(ValueError, error, None)
    assert is_told(error)
    assert capsys.readouterr().out == ""

    kill(other)
    error = ValueError()
    one._hush(error)
    sys.excepthook(ValueError, error, None)
    assert not is_told(error)
    assert capsys.readouterr().out == "TOLD\n"


def test_a_refusal_keeps_its_line_and_its_status():
    found = verdicts.raised(1, DataError("labels.npy: 12 labels for 10 images."))

    assert found.message() == "rank 1: labels.npy: 12 labels for 10 images."
    assert found.error().exit_status == 2


def test_want_of_memory_is_named():
    assert "want of memory" in verdicts.died(1, 11, -signal.SIGKILL, True).line
    assert "want of memory" not in verdicts.died(1, 11, -signal.SIGSEGV, True).line
    assert "SIGSEGV" in verdicts.died(1, 11, -signal.SIGSEGV, True).line


@pytest.mark.parametrize(
    ("error", "echo"),
    [
        (RuntimeError("[gloo] Connection closed by peer"), True),
        (ConnectionResetError("Connection reset by peer"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloo"), False),
    ],
)
def test_an_echo_is_told_from_an_error(error, echo):
    assert verdicts.is_echo(error) == echo


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "inf"])
def test_a_senseless_timeout_is_refused(monkeypatch, text):
    monkeypatch.setenv("FULMEN_RANK_TIMEOUT", text)

    with pytest.raises(UserError, match=r"FULMEN_RANK_TIMEOUT: .*; expected a number of seconds"):
        stop_timeout()
