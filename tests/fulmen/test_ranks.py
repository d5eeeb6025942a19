"""Promise: a rank that raises, dies or is stopped ends the run soon, with its own error; nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from fulmen.errors import DataError, RankError, UserError
from fulmen.ranks import is_told, launchers, supervise, verdicts, watching
from fulmen.ranks.folder import RankFolder
from fulmen.ranks.loopback import on_loopback
from fulmen.ranks.processes import ProcessId
from fulmen.ranks.verdicts import Verdict
from fulmen.ranks.watching import Place, Watch, stop_timeout

SCRIPT = Path(__file__).parent / "chaos" / "run_of_two.py"

# ---------------------------------------------------------------------------------------------------
# Runs of two real processes.


@dataclass(frozen=True)
class Ended:
    """How a run of two ended."""

    status: int
    stderr: str
    seconds: float  # from the grief to the end
    pids: tuple[str, str]
    listeners: set[str]
    done: int
    left: list[str]


RunOfTwo = Callable[..., Ended]
Process = subprocess.Popen[bytes]


@pytest.fixture
def run_of_two(tmp_path: Path) -> Iterator[RunOfTwo]:
    """Run a training of two processes, one of which comes to grief; nothing of it outlives the test."""
    mark = uuid.uuid4().hex
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run(strategy: str, rank: int, how: str, *options: str) -> Ended:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("FULMEN", "MASTER_"))
        }
        environment.update(TMPDIR=str(temporary), OMP_NUM_THREADS="1", FULMEN_RANK_TIMEOUT="3", MARK=mark)
        command = [sys.executable, "-W", "ignore", SCRIPT, strategy, str(rank), how, tmp_path, *options]
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                command, env=environment, stderr=stderr, stdout=subprocess.DEVNULL, start_new_session=True
            )
            status = process.wait(timeout=150)
        ended = time.time()
        grief = tmp_path / "grief"
        return Ended(
            status,
            (tmp_path / "stderr").read_text(),
            ended - grief.stat().st_mtime if grief.exists() else 0,
            tuple((tmp_path / f"pid-{rank}").read_text() for rank in (0, 1)),  # type: ignore[arg-type]
            {line for rank in (0, 1) for line in (tmp_path / f"listeners-{rank}").read_text().split()},
            len(list(tmp_path.glob("done-*"))),
            [*marked(mark), *map(str, temporary.glob("fulmen-ranks-*"))],
        )

    yield run
    for process in marked(mark):
        process.kill()


def marked(mark: str) -> list[psutil.Process]:
    """The processes, zombies not counted, that carry a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


CAUSES = {
    "raise": "raised ValueError: the seventh seal",
    "kill": "was killed by SIGKILL",
    "stop": "was stopped (by SIGSTOP or Ctrl-Z): no heartbeat for 3 s",
    "memory": "can't allocate memory",
}


@pytest.mark.process
@pytest.mark.parametrize(
    ("strategy", "rank", "how"),
    [
        ("ddp", 1, "raise"),
        ("ddp", 1, "kill"),
        ("ddp", 1, "stop"),
        ("ddp", 1, "memory"),
        ("ddp", 0, "stop"),  # the very process that the user started
        ("ddp_spawn", 1, "kill"),
        ("ddp_spawn", 0, "stop"),
    ],
)
def test_a_rank_that_fails_ends_the_run_with_its_own_error(run_of_two, strategy, rank, how):
    run = run_of_two(strategy, rank, how)

    assert run.status == 1, run.stderr
    assert run.seconds < 60
    assert run.stderr.count(f"rank {rank} (pid {run.pids[rank]})") == 1, run.stderr
    assert CAUSES[how] in run.stderr
    assert "Connection closed by peer" not in run.stderr
    if how == "raise":
        assert "in training_step" in run.stderr
        assert run.stderr.count("in raise_error") == 1
    assert run.done == 0
    assert run.left == []
    assert run.listeners == {"127.0.0.1"}


@pytest.mark.process
def test_a_run_in_which_nobody_fails_is_undisturbed(run_of_two):
    run = run_of_two("ddp", 1, "none")

    assert run.status == 0, run.stderr
    assert run.done == 2
    assert run.left == []
    assert run.listeners == {"127.0.0.1"}


@pytest.mark.process
@pytest.mark.parametrize("how", ["ctrl-c", "terminate"])
def test_a_run_that_is_asked_to_end_ends_with_all_its_ranks(run_of_two, how):
    """At SIGTERM, Lightning's own handler hangs until the process group times out."""
    run = run_of_two("ddp", 0, how)

    assert run.seconds < 60
    assert "rank 1" not in run.stderr
    assert run.done == 0
    assert run.left == []


@pytest.mark.process
def test_without_supervision_the_cause_is_not_told_and_the_run_listens_to_all(run_of_two):
    run = run_of_two("ddp", 1, "kill", "nosupervision")

    assert "SIGKILL" not in run.stderr
    assert run.listeners - {"127.0.0.1", "::1"}


# ---------------------------------------------------------------------------------------------------
# What a rank concludes from what it sees of the others.


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


# ---------------------------------------------------------------------------------------------------
# The folder, the loopback, the launchers.


def test_the_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for folder in (RankFolder.make(), RankFolder.shared(("a",), True)):
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    same = RankFolder.shared(("a",), True)
    assert same.path == folder.path
    assert RankFolder.shared(("b",), True).path != folder.path

    folder.path.chmod(0o777)
    with pytest.raises(UserError, match="not this user's private folder"):
        RankFolder.shared(("a",), True)


def test_a_folder_that_is_gone_fails_nothing(tmp_path):
    folder = RankFolder(tmp_path / "gone")
    folder.enter(0, "running", 1)
    folder.remove()

    assert folder.entry(0) is None
    assert folder.verdict() is None
    assert not folder.path.exists()


def test_the_rendezvous_is_served_on_the_loopback_and_forgotten_after(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    environment = LightningEnvironment()
    before = dict(os.environ)
    with on_loopback(environment, one_host=True, serves=True):
        assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
        listening = psutil.Process().net_connections("inet")
        ours = [one.laddr.ip for one in listening if one.laddr.port == environment.main_port]
        assert set(ours) == {"127.0.0.1"}
        client = torch.distributed.TCPStore("127.0.0.1", environment.main_port)
        client.set("key", "value")
        assert client.get("key") == b"value"

    assert dict(os.environ) == before


def test_settings_of_the_users_and_of_several_hosts_stay(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    with on_loopback(LightningEnvironment(), one_host=True, serves=True):
        assert os.environ["GLOO_SOCKET_IFNAME"] == "eth7"
    before = dict(os.environ)
    with on_loopback(LightningEnvironment(), one_host=False, serves=True):
        assert dict(os.environ) == before


def test_a_port_that_is_taken_is_refused(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        with (
            pytest.raises(UserError, match=f"MASTER_PORT: {port} cannot be used"),
            on_loopback(LightningEnvironment(), one_host=True, serves=True),
        ):
            pass


class OwnLauncher(_SubprocessScriptLauncher):
    """A launcher of a plugin's strategy."""


class OwnStrategy(DDPStrategy):
    def _configure_launcher(self) -> None:
        self._launcher = OwnLauncher(self.cluster_environment, self.num_processes, self.num_nodes)


@pytest.mark.parametrize(
    ("strategy", "launcher"),
    [
        ("ddp", launchers.SupervisedScriptLauncher),
        ("ddp_spawn", launchers.SupervisedMultiProcessingLauncher),
        ("ddp_fork", launchers.SupervisedMultiProcessingLauncher),
        (OwnStrategy, launchers.SupervisedScriptLauncher),
    ],
)
def test_the_launcher_of_every_strategy_is_watched(tmp_path, strategy, launcher):
    given = strategy if isinstance(strategy, str) else strategy()
    trainer = Trainer(strategy=given, accelerator="cpu", devices=2, logger=False, default_root_dir=tmp_path)
    stock = type(trainer.strategy.launcher)
    supervise(trainer)

    assert isinstance(trainer.strategy.launcher, launcher)
    assert isinstance(trainer.strategy.launcher, stock)


def test_a_trainer_of_one_process_stays_as_it_is(tmp_path):
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, default_root_dir=tmp_path)
    supervise(trainer)

    assert trainer.strategy.launcher is None
