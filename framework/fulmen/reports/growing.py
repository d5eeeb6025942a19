"""A front as it grows, in the run's loggers: as a curve and as a picture; and its candidates."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.reports.loggers import may_fail

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

PICTURE_EVERY = 20.0  # seconds: a picture takes a quarter of one


class FrontLogger:
    """Logs ``fulmen/search/...`` each time a front has changed. A logger that fails costs a warning.

    Args:
        loggers: The run's; TensorBoard gets the picture too.
    """

    def __init__(self, loggers: Sequence[Logger]) -> None:
        self.loggers = loggers
        self._last = -PICTURE_EVERY

    def candidates(self, rows: Sequence[tuple[int, Mapping[str, Any], Mapping[str, float]]]) -> None:
        """Let TensorBoard compare candidates in its tab HPARAMS: a run each, below ``candidates``.

        Args:
            rows: Of each its id, what was laid over the config, and its values. Those that TensorBoard has
                from before are left as they are.
        """
        from lightning.pytorch.loggers import TensorBoardLogger

        for logger in self.loggers:
            if not isinstance(logger, TensorBoardLogger):
                continue
            with may_fail(logger, "the comparison of candidates"):
                for id, overlay, values in rows:
                    name = f"candidates/{id}"
                    if not (Path(logger.log_dir) / name).exists():
                        hparams = {key: _hparam(value) for key, value in overlay.items()}
                        logger.experiment.add_hparams(hparams, dict(values), run_name=name)

    def __call__(self, standing: Any, figure: Callable[[], Any], step: int) -> None:
        """Log where the search stands after so many results.

        Args:
            standing: Has ``best``, ``front``, ``volume`` and ``per_hour``.
            figure: Draws the front.
            step: How many results there are.
        """
        from lightning.pytorch.loggers import TensorBoardLogger

        metrics = {"fulmen/search/front": float(standing.front), "fulmen/search/per_hour": standing.per_hour}
        metrics |= {f"fulmen/search/best/{name}": value for name, value in standing.best.items()}
        if standing.volume is not None:
            metrics["fulmen/search/hypervolume"] = standing.volume
        drawn = time.monotonic() - self._last >= PICTURE_EVERY
        for logger in self.loggers:
            with may_fail(logger, "the front"):
                logger.log_metrics(metrics, step=step)
                if drawn and isinstance(logger, TensorBoardLogger):
                    self._last = time.monotonic()
                    logger.experiment.add_figure("fulmen/search/front", figure(), step)


def _hparam(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
