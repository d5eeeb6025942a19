"""Promise: a rank that raises, dies or is stopped ends the run soon, with its own error; nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).parent / "chaos" / "run_of_two.py"


@dataclass(frozen=True)
class Ended:
    """How a run of two ended."""

    status: int
    stderr: str
    seconds: float  # from the grief to the end
    pids: tuple[str, str]
    listeners: set[str]
    done: int
    left: list[psutil.Process | str]


RunOfTwo = Callable[..., Ended]


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
                command,
                env=environment,
                stderr=stderr,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=heed_ctrl_c,
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
            [*left_over(mark), *map(str, temporary.glob("fulmen-ranks-*"))],
        )

    yield run
    for process in marked(mark):
        process.kill()


def left_over(mark: str, patience: float = 10.0) -> list[psutil.Process]:
    """The processes that carry a mark and do not end by themselves.

    An interpreter that shuts down, or multiprocessing's resource tracker, which ends when its pipe
    closes, may see the run's first process go before it is gone itself.
    """
    deadline = time.monotonic() + patience
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def heed_ctrl_c() -> None:
    """What a shell starts in the background, and all that this starts, ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
        pytest.param("ddp", 1, "kill", marks=pytest.mark.long),  # as below, and in split_parallel's tests
        pytest.param("ddp", 1, "stop", marks=pytest.mark.long),
        pytest.param("ddp", 1, "memory", marks=pytest.mark.long),
        ("ddp", 0, "stop"),  # the very process that the user started
        pytest.param("ddp_spawn", 1, "kill", marks=pytest.mark.long),
        pytest.param("ddp_spawn", 0, "stop", marks=pytest.mark.long),
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


@pytest.mark.long  # every run of two processes shows it, but for the addresses, which those below show
@pytest.mark.process
def test_a_run_in_which_nobody_fails_is_undisturbed(run_of_two):
    run = run_of_two("ddp", 1, "none")

    assert run.status == 0, run.stderr
    assert run.done == 2
    assert run.left == []
    assert run.listeners == {"127.0.0.1"}


@pytest.mark.process
@pytest.mark.parametrize("how", [pytest.param("ctrl-c", marks=pytest.mark.long), "terminate"])
def test_a_run_that_is_asked_to_end_ends_with_all_its_ranks(run_of_two, how):
    """At SIGTERM, Lightning's own handler hangs until the process group times out."""
    run = run_of_two("ddp", 0, how)

    assert run.seconds < 60
    assert "rank 1" not in run.stderr
    assert run.done == 0
    assert run.left == []


LATE = """
import time
from lightning.pytorch.demos.boring_classes import BoringModel

class Late(BoringModel):
    def teardown(self, stage):
        if self.trainer.global_rank == 1:
            time.sleep(3)  # rank 0 is long done
            raise RuntimeError("too late")
"""


@pytest.mark.process
def test_a_rank_that_fails_when_the_first_one_is_done_fails_the_command(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    options = ["--trainer.accelerator=cpu", "--trainer.strategy=ddp", "--trainer.devices=2", "--quiet"]
    options += ["--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--trainer.logger=false"]
    data = "--data=lightning.pytorch.demos.boring_classes.BoringDataModule"

    ran = subprocess.run(
        [sys.executable, "-m", "fulmen", "fit", "--model=late.Late", data, *options],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert ran.returncode == 1, ran.stderr
    assert "too late" in ran.stderr
    assert "rank 1 (pid " in ran.stderr


@pytest.mark.long  # what the others are held against: Lightning as it is
@pytest.mark.process
def test_without_supervision_the_cause_is_not_told_and_the_run_listens_to_all(run_of_two):
    run = run_of_two("ddp", 1, "kill", "nosupervision")

    assert "SIGKILL" not in run.stderr
    assert run.listeners - {"127.0.0.1", "::1"}
