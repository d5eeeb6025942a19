"""A .npz file: ``x``, and perhaps ``names``, ``graph``, ``interval`` and further truths."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.array_header import DAMAGE, check_header
from fulmen_attention_granger.reading.columns import OneFile
from fulmen_attention_granger.reading.loose_arrays import TRUTH, one_file, split_trials
from fulmen_attention_granger.recordings import RecordingError

DEFLATE_RATIO = 1032  # zlib cannot pack more than this into one byte (zlib's technical details)
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
    return one_file(str(path), split_trials(f"{path}: x", arrays.pop("x")), arrays)


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
