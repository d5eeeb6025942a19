"""A .npz file: ``x``, and perhaps ``names``, ``graph``, ``interval`` and further truths."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.array_header import DAMAGE, check_header
from fulmen_attention_granger.reading.columns import OneFile
from fulmen_attention_granger.reading.npy_file import split_trials
from fulmen_attention_granger.recordings import RecordingError, default_names

DEFLATE_RATIO = 1032  # zlib cannot pack more than this into one byte (zlib's technical details)
TRUTH = "truth_"  # members of this prefix are further truths about pairs
_DAMAGE = (*DAMAGE, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read_npz(path: Path) -> OneFile:
    """Read ``x`` and what else is known; other members are left alone.

    ``x`` is (time, variables) or (trials, time, variables); ``names`` text, (variables,); ``graph`` 0 or
    1, (targets, sources), whose diagonal is ignored; ``interval`` one number; ``truth_...`` (targets,
    sources).

    Raises:
        RecordingError: not a .npz file, no ``x``, a member holds Python objects, is damaged, or has
            another shape or content than said here.
        OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if "x" not in held:
                listed = ", ".join(sorted(held)[:8]) or "nothing"
                raise RecordingError(
                    f"{path}: has no x (it holds {listed}); expected x of shape (time, variables) or "
                    "(trials, time, variables): name the array so."
                )
            wanted = [name for name in held if name in ("x", "names", "graph", "interval")]
            wanted += [name for name in held if name.startswith(TRUTH)]
            arrays = {name: _read_member(archive, held[name], f"{path}: {name}") for name in wanted}
    except _DAMAGE as error:
        if isinstance(error, RecordingError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise RecordingError(
            f"{path}: is not a whole .npz file ({error}); expected numpy.savez's format: write it anew."
        ) from error
    return _checked(path, arrays)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    if info.file_size > max(info.compress_size, 1) * DEFLATE_RATIO:
        raise RecordingError(
            f"{where}: claims {info.file_size:,} bytes, packed into {info.compress_size:,}; expected at most "
            f"{DEFLATE_RATIO} for each: write the file anew."
        )
    with archive.open(info) as member:
        check_header(member, where, info.file_size)
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _checked(path: Path, arrays: dict[str, np.ndarray]) -> OneFile:
    trials = split_trials(f"{path}: x", arrays["x"])
    variables = trials[0].shape[1]
    names = default_names(variables)
    if "names" in arrays:
        given = arrays["names"]
        if given.shape != (variables,) or given.dtype.kind not in "US":
            raise RecordingError(
                f"{path}: names has shape {given.shape} and holds {given.dtype}; x has {variables} "
                "variables: give a text each."
            )
        names = tuple(str(name) for name in given.astype(str))
    truths = {
        name.removeprefix(TRUTH): _pairs(f"{path}: {name}", array, variables)
        for name, array in arrays.items()
        if name.startswith(TRUTH)
    }
    graph = None
    if "graph" in arrays:
        graph = _pairs(f"{path}: graph", arrays["graph"], variables)
        if not np.isin(graph, (0, 1)).all():
            raise RecordingError(
                f"{path}: graph holds {graph[~np.isin(graph, (0, 1))][0]}; expected 0 and 1 alone, a row for "
                "each target, a column for each source."
            )
        graph = graph.astype(bool) & ~np.eye(variables, dtype=bool)
    return OneFile(trials, names, _interval(path, arrays), graph, truths)


def _pairs(where: str, array: np.ndarray, variables: int) -> np.ndarray:
    if array.shape != (variables, variables):
        raise RecordingError(
            f"{where} has shape {array.shape}, x has {variables} variables; expected ({variables}, "
            f"{variables}): a row for each target, a column for each source."
        )
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{where} holds {array.dtype}; expected numbers.")
    return array


def _interval(path: Path, arrays: dict[str, np.ndarray]) -> float | None:
    if "interval" not in arrays:
        return None
    given = arrays["interval"]
    if given.size != 1 or given.dtype.kind not in "iuf" or not 0 < float(given.reshape(-1)[0]) < np.inf:
        raise RecordingError(f"{path}: interval is {given}; expected one number above 0.")
    return float(given.reshape(-1)[0])
