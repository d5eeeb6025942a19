"""How real processes end: their status, what they say last, and what they leave."""

from __future__ import annotations

import errno
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fulmen import exits
from fulmen.errors import ConfigError, FulmenError

PARTS = ["--model=line", "--model.network=affine", "--data=points", "--trainer.accelerator=cpu"]
KEPT = ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.dirpath=kept"]
KEPT += ["--trainer.callbacks.save_last=true", "--trainer.logger=false"]


@pytest.fixture
def start(third_party, tmp_path):
    """Start ``fulmen ARGUMENTS`` in an empty folder, with the plugin ``good`` installed."""
    children = []

    def start(*arguments, before=None):
        def prepare():
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
            if before is not None:
                before()

        child = subprocess.Popen(
            [sys.executable, "-m", "fulmen", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(third_party("good"))},
            preexec_fn=prepare,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


def ended(child, seconds=120):
    out, err = child.communicate(timeout=seconds)
    return child.returncode, out, err


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["fit", *PARTS, "--data.cout=3"], "'count'"),
        (["fit", *PARTS, "--ckpt_path=none.ckpt"], "none.ckpt"),
        (["fit", *PARTS, "--trainer.profiler=fast"], "simple"),
    ],
    ids=["by the parser", "at the start of the run", "by the trainer"],
)
def test_a_refused_input_is_answered_by_its_error_alone(run_fulmen, installed, arguments, culprit):
    installed("good")

    ran = run_fulmen(*arguments)

    assert (ran.status, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: ")
    assert culprit in line


@pytest.mark.process
def test_nor_does_a_library_say_more_when_it_is_imported_or_ends(start):
    status, out, err = ended(start("fit", *PARTS, "--trainer.profiler=fast"))

    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.process
def test_an_exception_of_the_users_keeps_its_traceback(start):
    status, _, err = ended(start("fit", *PARTS, "--model.fault=boom"))

    assert status == 1
    assert "in training_step\n" in err
    assert err.endswith("RuntimeError: boom\n")


@pytest.mark.process
@pytest.mark.parametrize(
    ("sent", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_fit_that_can_go_on(start, tmp_path, run_fulmen, installed, sent, status, word):
    strangers = ["--trainer.strategy=solo", "--trainer.callbacks+=salute"]
    arguments = ["fit", *PARTS, *strangers, *KEPT, "--trainer.max_epochs=-1"]
    arguments += ["--trainer.enable_progress_bar=false"]
    child = start(*arguments, "--ckpt_path=last")
    last = tmp_path / "kept" / "last.ckpt"
    wait_for(last.exists, child)
    child.send_signal(sent)

    found, _, err = ended(child)

    assert found == status
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith(f"{word}; go on with: ")]
    *command, option, path = shlex.split(line.partition(": ")[2])
    assert command == ["python", "-m", "fulmen", *arguments]
    assert (option, path) == ("--ckpt_path", str(last))
    installed("good")
    epoch = torch.load(path, weights_only=True)["epoch"]
    more = [f"--ckpt_path={path}", f"--trainer.max_epochs={epoch + 2}"]
    ran = run_fulmen("fit", *PARTS, "--trainer.logger=false", "--quiet", *more)
    assert ran.status == 0, ran.stderr


@pytest.mark.process
def test_ctrl_c_while_the_libraries_are_imported_is_no_error_of_theirs(start):
    child = start("fit", *PARTS)
    wait_for(lambda: "libtorch" in Path(f"/proc/{child.pid}/maps").read_text(), child, every=0.001)
    child.send_signal(signal.SIGINT)

    assert ended(child) == (130, "", "error: interrupted.\n")


@pytest.mark.process
def test_a_second_interrupt_ends_it_at_once(start, tmp_path):
    child = start("fit", *PARTS, *KEPT, "--trainer.max_epochs=-1", "--trainer.enable_progress_bar=false")
    wait_for((tmp_path / "kept" / "last.ckpt").exists, child)

    begin = time.monotonic()
    child.send_signal(signal.SIGINT)
    time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    status, _, _ = ended(child)

    assert status in {130, -signal.SIGINT}
    assert time.monotonic() - begin < 5


@pytest.mark.process
def test_a_disk_that_fills_leaves_the_old_checkpoint_whole(start, run_fulmen, installed, tmp_path):
    arguments = ["fit", *PARTS, *KEPT, "--model.network.spare=100000", "--trainer.max_epochs=1"]
    installed("good")
    assert run_fulmen(*arguments).status == 0
    last = tmp_path / "kept" / "last.ckpt"
    old = last.read_bytes()

    limit = len(old) // 2
    child = start(*arguments, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    status, _, err = ended(child)

    assert status == 1
    assert "Traceback" not in err
    assert "kept" in err.splitlines()[-1]
    assert last.read_bytes() == old
    assert {path.suffix for path in last.parent.iterdir()} <= {".ckpt", ".yaml"}


def test_a_disk_that_is_read_only_is_refused(run_fulmen, installed, other_disk):
    installed("good")
    subprocess.run(["mount", "-o", "remount,ro", str(other_disk)], check=True)

    ran = run_fulmen("fit", *PARTS, f"--trainer.default_root_dir={other_disk / 'runs'}", "--quiet")

    assert ran.status == 2
    assert str(other_disk) in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("a.yaml: is bad; mend it."), 2, "error: a.yaml: is bad; mend it.\n"),
        (FulmenError("the work failed."), 1, "error: the work failed.\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "a.ckpt"),
            1,
            "error: a.ckpt: not written (No space",
        ),
        (OSError(errno.EFBIG, "File too large", "a.ckpt"), 1, "error: a.ckpt: not written (File too large)"),
        (KeyboardInterrupt(), 130, "error: interrupted.\n"),
    ],
)
def test_an_error_becomes_a_line_and_a_status(error, status, line, capsys):
    with pytest.raises(SystemExit) as stop:
        raise_inside(error)

    assert stop.value.code == status
    assert capsys.readouterr().err.startswith(line)


@pytest.mark.parametrize("error", [ValueError("mine"), OSError(errno.EACCES, "Permission denied", "x")])
def test_any_other_exception_passes(error, capsys):
    with pytest.raises(type(error)):
        raise_inside(error)

    assert capsys.readouterr().err == ""


def test_debugging_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv("FULMEN_DEBUG", "1")

    with pytest.raises(SystemExit):
        raise_inside(ConfigError("bad."))

    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("error: bad.\n")


def raise_inside(error):
    with exits.exit_statuses():
        raise error


def wait_for(condition, child, seconds=120, every=0.05):
    deadline = time.monotonic() + seconds
    while not condition():
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(every)
