"""MNIST's file format, IDX: a magic number, big-endian sizes, then the bytes.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from fulmen_vision.format_error import FormatError, check_claim

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_CHUNK = 2**20


def find_idx(folder: Path, name: str) -> Path:
    """Return ``folder/name`` or ``folder/name.gz``, the unpacked one where both exist.

    Raises:
        FormatError: the folder or the file is missing.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise FormatError(
            f"{folder}: {found}; expected a folder with {name}[.gz]: give the folder of the data."
        )
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    held = ", ".join(sorted(entry.name for entry in folder.iterdir())[:4]) or "nothing"
    raise FormatError(f"{folder}: holds {held}; expected {name} or {name}.gz: put the file there.")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzip-packed if its name ends in ``.gz``.

    Args:
        path: The file.
        dimensions: How many it must have: 3 for images (count, rows, columns), 1 for labels.

    Returns:
        uint8, with the shape that the file states; no size is 0.

    Raises:
        FormatError: not gzip, another magic number, cut short, too long, or damaged.
        OSError: the file cannot be read.
    """
    packed = path.stat().st_size
    try:
        with _open(path) as file:
            shape = _read_header(file, path, dimensions)
            claimed = math.prod(shape)
            check_claim(str(path), claimed, packed)
            content = _read_at_most(file, claimed + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(
            f"{path}: is a damaged gzip file ({error}); expected a whole one: fetch it anew."
        ) from error
    if len(content) != claimed:
        found = f"only {len(content):,} bytes follow" if len(content) < claimed else "more follow"
        raise FormatError(
            f"{path}: {found} the header, which promises {claimed:,} for {shape}: fetch the file anew."
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix != ".gz":
        return path.open("rb")
    with path.open("rb") as file:
        magic = file.read(2)
    if magic != _GZIP_MAGIC:
        found = magic.hex(" ") or "(none)"
        raise FormatError(
            f"{path}: starts with bytes {found}; expected {_GZIP_MAGIC.hex(' ')}, as every .gz file does: "
            "fetch the file anew, or drop .gz from its name if it is not packed."
        )
    return gzip.open(path, "rb")


def _read_header(file: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int) -> tuple[int, ...]:
    expected = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    header = file.read(4 + 4 * dimensions)
    if header[:4] != expected:
        found = header[:4].hex(" ") or "(none)"
        raise FormatError(
            f"{path}: starts with bytes {found}; expected {expected.hex(' ')}, an IDX file of unsigned bytes "
            f"with {dimensions} dimension(s): give a file in MNIST's format."
        )
    if len(header) < 4 + 4 * dimensions:
        raise FormatError(
            f"{path}: ends within its header; expected {4 + 4 * dimensions} bytes or more: fetch it anew."
        )
    shape = struct.unpack(f">{dimensions}I", header[4:])
    if 0 in shape:
        raise FormatError(
            f"{path}: has sizes {shape}; expected every size to be 1 or more: fetch the file anew."
        )
    return shape


def _read_at_most(file: IO[bytes] | gzip.GzipFile, limit: int) -> bytearray:
    # Chunk by chunk, so that a header's promise allocates nothing that the file does not hold.
    content = bytearray()
    while len(content) < limit and (chunk := file.read(min(_CHUNK, limit - len(content)))):
        content += chunk
    return content
