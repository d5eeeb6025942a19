"""Fixtures for the tests of plugins; loaded by pytest wherever fulmen is installed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

# So that a failing assertion of a suite shows its values, as one in a test file does.
pytest.register_assert_rewrite(
    *(
        f"fulmen.testing.{name}"
        for name in (
            *("analyzer", "callback", "component", "data", "engine", "model", "network", "plugin"),
            *("searcher", "strategy"),
        )
    )
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that the suites use."""
    config.addinivalue_line("markers", "process: starts real processes")


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def fulmen_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ran]]:
    """Run ``fulmen ARGUMENTS`` in this process, in an empty folder (``tmp_path``).

    ``fulmen_run("fit", "--config", path)`` returns ``status``, ``stdout`` and ``stderr``.
    """
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)

    def run(*arguments: str | Path) -> Ran:
        from fulmen.__main__ import main

        capsys.readouterr()
        argv = [str(argument) for argument in arguments]
        # A multi-process strategy starts its other ranks with this process's command line.
        monkeypatch.setattr(sys, "argv", ["fulmen", *argv])
        _log_to(sys.stderr)
        status = main(argv)
        out, err = capsys.readouterr()
        return Ran(status, out, err)

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
