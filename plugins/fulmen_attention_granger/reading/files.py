"""One or several files of any kind as recordings of the same variables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.checks import check
from fulmen_attention_granger.reading.columns import TIME, OneFile
from fulmen_attention_granger.reading.csv_file import read_csv
from fulmen_attention_granger.reading.npy_file import read_npy
from fulmen_attention_granger.reading.npz_file import read_npz
from fulmen_attention_granger.reading.parquet_file import read_parquet
from fulmen_attention_granger.recordings import RecordingError, Recordings

KINDS = (".csv", ".tsv", ".txt", ".parquet", ".npz", ".npy")


def read_files(
    paths: Sequence[Path], interval: float | None = None, time_column: str | None = TIME
) -> Recordings:
    """Read files, each a trial or several, of the same variables in the same order.

    Args:
        paths: One or more; the ending says what a file is.
        interval: Time between two rows; None: what the files say, else 1.
        time_column: The column of tables that holds the time, where there is one of that name.

    Returns:
        The recordings, checked. The truth is that of the files which have one.

    Raises:
        RecordingError: a file is missing or not what its ending says; files differ in variables, interval
            or truth; or the data are refused by ``checks.check``.
        OSError: a file cannot be read.
    """
    if not paths:
        raise RecordingError("path: names no file; expected one or more.")
    read = [_read(path, time_column) for path in paths]
    first = read[0]
    for path, other in zip(paths[1:], read[1:], strict=True):
        _refuse_other_variables(paths[0], first, path, other)
    graph, truths = None, {}
    for path, one in zip(paths, read, strict=True):
        if one.graph is None:
            continue
        if graph is not None and not np.array_equal(graph, one.graph):
            raise RecordingError(f"{path}: its graph is not that of {paths[0]}; expected one truth for all.")
        graph, truths = one.graph, one.truths
    recordings = Recordings(
        trials=tuple(trial for one in read for trial in one.trials),
        names=first.names,
        graph=graph,
        interval=_one_interval(paths, read) if interval is None else interval,
        source=str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more",
        truths=truths,
    )
    check(recordings)
    return recordings


def _read(path: Path, time_column: str | None) -> OneFile:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        raise RecordingError(f"{path}: {found}; expected a file that ends in one of {', '.join(KINDS)}.")
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            return read_csv(path, time_column)
        case ".parquet":
            return read_parquet(path, time_column)
        case ".npz":
            return read_npz(path)
        case ".npy":
            return read_npy(path)
        case other:
            raise RecordingError(
                f"{path}: ends in {other or 'nothing'}; expected one of {', '.join(KINDS)}: rename or "
                "convert it."
            )


def _refuse_other_variables(first_path: Path, first: OneFile, path: Path, other: OneFile) -> None:
    if other.names != first.names:
        differ = [pair for pair in zip(first.names, other.names, strict=False) if pair[0] != pair[1]]
        told = f"{differ[0][1]!r} for {differ[0][0]!r}" if differ else f"{len(other.names)} variables"
        raise RecordingError(
            f"{path}: has {told}, {first_path} has {len(first.names)} variables; expected the same names in "
            "the same order in every file."
        )


def _one_interval(paths: Sequence[Path], read: list[OneFile]) -> float:
    known = [(path, one.interval) for path, one in zip(paths, read, strict=True) if one.interval is not None]
    for path, interval in known[1:]:
        if not np.isclose(interval, known[0][1], rtol=0.01):
            raise RecordingError(
                f"{path}: its steps are {interval:g}, those of {known[0][0]} {known[0][1]:g}; expected one "
                "sampling interval: resample."
            )
    return float(known[0][1]) if known else 1.0
