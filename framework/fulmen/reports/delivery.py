"""A report to everyone who waits for it: the run's folder, its loggers, the terminal, the index."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.errors import FulmenError
from fulmen.progressing import is_rank_zero
from fulmen.reports.provenance import redact

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from fulmen.analysis.report import Report

log = logging.getLogger(__name__)


def deliver(
    report: Report,
    run_dir: Path,
    *,
    name: str,
    loggers: Sequence[Logger] = (),
    provenance: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Path:
    """Save a report to ``run_dir/report`` and return that folder; then show it.

    After the files come the loggers, the summary on the terminal and ``index.html`` beside the run.
    What fails after the files costs a warning, for the report is safe. Only rank zero acts.

    Args:
        report: What an analyzer returned.
        run_dir: The run's folder.
        name: The plugin or analyzer that speaks, for the loggers' tags.
        loggers: The run's loggers.
        provenance: What made it (``versions()``, command, configuration, seed); plain data. Its
            secrets are hidden here; its values at the top are the run's hyperparameters in
            TensorBoard.
        quiet: Print nothing.

    Raises:
        UserError: the report cannot be kept; names what.
        ArtifactError: the disk is full; what stood there is untouched.
    """
    from fulmen.reports.index import write_index
    from fulmen.reports.loggers import log_report
    from fulmen.reports.terminal import print_summary

    folder = run_dir / "report"
    if not is_rank_zero():
        return folder
    origin = redact(provenance or {})
    report = dataclasses.replace(report, title=report.title or name).checked()
    report.save(folder, origin)
    if loggers:
        log_report(report, loggers, name, hparams=_flat(origin))
    if not quiet:
        print_summary(report, folder)
    try:
        write_index(run_dir.parent)
    except FulmenError as error:
        log.warning("%s", error)
    return folder


def _flat(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if isinstance(value, str | int | float)}
