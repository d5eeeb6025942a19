"""A report to the loggers of its run: TensorBoard in full, any other its scalars."""

from __future__ import annotations

import contextlib
import html
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger, TensorBoardLogger

    from fulmen.analysis.report import Report

log = logging.getLogger(__name__)

TEXT_ROWS = 100  # of a table in TensorBoard
HPARAM_METRICS = 20  # columns beyond these make the HPARAMS tab unreadable


def log_report(
    report: Report,
    loggers: Sequence[Logger],
    name: str,
    *,
    hparams: Mapping[str, Any] | None = None,
    step: int = 0,
) -> None:
    """Write a report to loggers, under the tags ``fulmen/<name>/...``.

    TensorBoard gets scalars (``<scalar>``), pictures (``figures/<figure>``), tables and findings as
    text (``tables/<table>``, ``findings``), and the HPARAMS tab. Any other logger gets the scalars.
    A logger that fails (a server that is away) costs a warning, not the report.

    Args:
        report: A checked report (``Report.checked``).
        loggers: The run's loggers; none is fine.
        name: The plugin or analyzer that speaks.
        hparams: What distinguishes this run from others, for the HPARAMS tab; plain data.
        step: The step that TensorBoard shows it at.
    """
    from lightning.pytorch.loggers import TensorBoardLogger

    metrics = {f"fulmen/{name}/{scalar}": value for scalar, value in report.scalars.items()}
    for logger in loggers:
        with may_fail(logger, "the report"):
            rest = metrics
            if isinstance(logger, TensorBoardLogger):
                _log_to_tensorboard(report, logger, f"fulmen/{name}", step)
                rest = _log_hparams(logger, {"analysis": name, **(hparams or {})}, metrics, step)
            if rest:
                logger.log_metrics(rest, step=step)
            logger.save()


@contextlib.contextmanager
def may_fail(logger: Logger, what: str) -> Iterator[None]:
    """Make a warning of whatever a logger raises inside."""
    try:
        yield
    except Exception as error:
        cause = " ".join(str(error).split())
        log.warning("%s: %s was not logged to it (%s).", type(logger).__name__, what, cause)


def _log_to_tensorboard(report: Report, logger: TensorBoardLogger, prefix: str, step: int) -> None:
    from fulmen.analysis.figures import picture

    for name, figure in report.figures.items():
        pixels = _pixels(picture(figure, "png"))
        logger.experiment.add_image(f"{prefix}/figures/{name}", pixels, step, dataformats="HWC")
    for name, table in report.tables.items():
        logger.experiment.add_text(f"{prefix}/tables/{name}", _markdown(table), step)
    if report.findings:
        findings = "\n".join(f"- {_escape(finding)}" for finding in report.findings)
        logger.experiment.add_text(f"{prefix}/findings", findings, step)


def _log_hparams(
    logger: TensorBoardLogger, hparams: Mapping[str, Any], metrics: dict[str, float], step: int
) -> dict[str, float]:
    """Log what the HPARAMS tab compares; return the metrics that are still to be logged."""
    if not metrics or logger.hparams:  # one run has one set: that of a training that logged here stays
        return metrics
    logger.log_hyperparams(dict(hparams), dict(list(metrics.items())[:HPARAM_METRICS]), step)
    return dict(list(metrics.items())[HPARAM_METRICS:])


def _pixels(png: bytes) -> Any:
    from matplotlib.image import imread

    return (imread(io.BytesIO(png), format="png")[..., :3] * 255).round().astype("uint8")


def _markdown(table: Any) -> str:
    from fulmen.analysis.formatting import format_table

    columns = format_table(table, TEXT_ROWS)
    lines = [
        _row(column.name for column in columns),
        _row("---:" if column.numeric else ":---" for column in columns),
        *(_row(cells) for cells in zip(*(column.cells for column in columns), strict=True)),
    ]
    if len(table) > TEXT_ROWS:
        lines += ["", f"The first {TEXT_ROWS} of {len(table):,} rows."]
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    line = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{letter}" if letter in r"\`*_[]|#" else letter for letter in line)
