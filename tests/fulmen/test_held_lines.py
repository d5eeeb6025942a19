"""What Lightning says while a run starts: let go when the work begins, dropped where it is refused."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from fulmen.command import _less_noise
from fulmen.held_lines import HeldLines

LINE, WARNING = "a line of the start", "a warning of the start"


class ToStderr(logging.Handler):
    """Writes to what is stderr at the time: pytest changes it."""

    def emit(self, record):
        sys.stderr.write(f"{record.getMessage()}\n")


@pytest.fixture
def lightning_log(monkeypatch):
    """Lightning's logger, with a handler of its own as outside of pytest."""
    logger = logging.getLogger("lightning.pytorch")
    monkeypatch.setattr(logger, "handlers", [ToStderr()])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)
    return logger


def start(log, error=None):
    log.info(LINE)
    warnings.warn(WARNING, stacklevel=2)
    if error is not None:
        raise error


def hold(log, error):
    with HeldLines():
        start(log, error)


@pytest.mark.filterwarnings("default")
def test_a_refused_input_drops_them(lightning_log, capsys, recwarn):
    with pytest.raises(SystemExit):
        hold(lightning_log, SystemExit(2))

    assert LINE not in capsys.readouterr().err
    assert WARNING not in [str(warning.message) for warning in recwarn]


@pytest.mark.parametrize("error", [SystemExit(1), SystemExit(130), RuntimeError("boom")])
def test_whatever_else_ends_the_start_lets_them_go(error, lightning_log, capsys, recwarn):
    with pytest.raises(type(error)):
        hold(lightning_log, error)

    assert LINE in capsys.readouterr().err
    assert WARNING in [str(warning.message) for warning in recwarn]


def test_an_end_lets_them_go(lightning_log, capsys):
    with HeldLines():
        start(lightning_log)

    assert LINE in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict"])
def test_the_first_batch_lets_them_go(verb, lightning_log, capsys, tmp_path):
    seen = []

    class Model(BoringModel):
        def on_train_batch_start(self, *_):
            seen.append(capsys.readouterr().err)

        on_validation_batch_start = on_test_batch_start = on_predict_batch_start = on_train_batch_start

    with HeldLines() as held:
        start(lightning_log)
        trainer = Trainer(
            fast_dev_run=1, accelerator="cpu", callbacks=[held], enable_progress_bar=False, logger=False
        )
        assert capsys.readouterr().err == ""
        getattr(trainer, verb)(Model())

    assert LINE in seen[0]
    assert "GPU available" in seen[0]


@pytest.mark.parametrize("line", ["Initializing distributed: MEMBER: 1/2", "!"])
def test_a_warning_and_the_wait_for_other_processes_let_them_go(line, lightning_log, capsys):
    with HeldLines():
        start(lightning_log)
        lightning_log.log(logging.WARNING if line == "!" else logging.INFO, line)

        assert capsys.readouterr().err == f"{LINE}\n{line}\n"


def test_nothing_is_left_behind(lightning_log):
    before = [list(handler.filters) for handler in lightning_log.handlers], warnings.showwarning

    with HeldLines():
        start(lightning_log)

    assert ([list(handler.filters) for handler in lightning_log.handlers], warnings.showwarning) == before


def test_a_warning_of_a_verb_shows_no_line_of_source():
    before = warnings.formatwarning

    with _less_noise(quiet=False):
        shown = warnings.formatwarning(WARNING, UserWarning, __file__, 1)

    assert shown == f"UserWarning: {WARNING}\n"
    assert warnings.formatwarning is before
