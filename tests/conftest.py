"""What every test may use. The environment is set before torch or matplotlib are imported."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

# Two test processes share two cores, and bit-exact comparisons need one order of summation.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["COLUMNS"] = "120"
for _name in ("FULMEN_DISABLE", "FULMEN_ONLY", "FULMEN_DEBUG"):
    os.environ.pop(_name, None)

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    status: int
    stdout: str
    stderr: str


RunFulmen = Callable[..., Ran]


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def run_fulmen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[RunFulmen]:
    """Run ``fulmen ARGUMENTS`` in this warm process, in an empty folder (``tmp_path``)."""
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)

    def run(*arguments: str | Path) -> Ran:
        from fulmen.__main__ import main

        capsys.readouterr()
        argv = [str(argument) for argument in arguments]
        # A multi-process strategy starts its other ranks with this process's command line.
        monkeypatch.setattr(sys, "argv", ["fulmen", *argv])
        _log_to(sys.stderr)
        try:
            status = main(argv)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        out, err = capsys.readouterr()
        return Ran(status or 0, out, err)

    yield run
    _log_to(sys.__stderr__)
    os.environ.clear()
    os.environ.update(environment)


def _log_to(stream: TextIO | None) -> None:
    """Point log handlers at a stream: Lightning's hold the one that stood when it was imported."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if type(handler) is logging.StreamHandler and stream is not None:
            handler.stream = stream  # not setStream, which would flush one that pytest has closed
