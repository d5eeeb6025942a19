"""Holds back what Lightning says while a run starts, so that a refused input is answered by its error alone.

The lines appear when the work begins, or before anything that may take long; where the input is
refused they are dropped.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

import lightning.pytorch as pl

from fulmen import exits

_LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")


class HeldLines(pl.Callback):
    """A context manager around a run, and the callback of that run which lets the lines go."""

    def __init__(self) -> None:
        self._held: list[Callable[[], Any]] = []
        self._filters: list[tuple[logging.Handler, Callable[[logging.LogRecord], bool]]] = []
        self._show_warning = warnings.showwarning

    def __enter__(self) -> HeldLines:
        handlers = [handler for name in _LOGGERS for handler in logging.getLogger(name).handlers]
        self._filters = [(handler, functools.partial(self._hold_record, handler)) for handler in handlers]
        for handler, hold in self._filters:
            handler.addFilter(hold)
        self._show_warning, warnings.showwarning = warnings.showwarning, self._hold_warning
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, SystemExit) and error.code == exits.REFUSED:
            self._held.clear()
        self.release()

    def __reduce__(self) -> tuple[type[HeldLines], tuple[()]]:
        return HeldLines, ()  # a spawned rank gets one that holds nothing

    def release(self) -> None:
        """Let the lines go that are held, and hold no more."""
        for handler, hold in self._filters:
            handler.removeFilter(hold)
        if warnings.showwarning == self._hold_warning:
            warnings.showwarning = self._show_warning
        held, self._held, self._filters = self._held, [], []
        for line in held:
            line()

    def _hold_record(self, handler: logging.Handler, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING or "distributed" in record.getMessage():
            self.release()  # other processes may be waited for
            return True
        self._held.append(functools.partial(handler.handle, record))
        return False

    def _hold_warning(self, *args: Any, **kwargs: Any) -> None:
        self._held.append(functools.partial(self._show_warning, *args, **kwargs))

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first of a fit's batches come."""
        self.release()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A fit begins."""
        self.release()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A validation begins."""
        self.release()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A test begins."""
        self.release()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A prediction begins."""
        self.release()
