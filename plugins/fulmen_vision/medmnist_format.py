"""MedMNIST's layout: one .npz file with images and labels for training, validation and test.

Source: Yang et al., "MedMNIST v2", Scientific Data 10:41 (2023).
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from fulmen_vision.format_error import FormatError, check_claim

SPLITS = ("train", "val", "test")
MEMBERS = tuple(f"{split}_{part}" for split in SPLITS for part in ("images", "labels"))
# What zipfile and numpy raise on damaged or encrypted files.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError),
    *(ValueError, SyntaxError, tokenize.TokenError),
)


def read_medmnist(path: Path) -> dict[str, np.ndarray]:
    """Read the six arrays ``{train,val,test}_{images,labels}``; pickled objects are refused.

    Args:
        path: The ``.npz`` file.

    Returns:
        Name to array, dtypes and shapes as in the file.

    Raises:
        FormatError: no such file, not a zip, a member is missing, damaged, of Python objects, or not
            as long as its header says.
        OSError: the file cannot be read.
    """
    if not path.is_file():
        found = "is a folder" if path.exists() else "does not exist"
        raise FormatError(
            f"{path}: {found}; expected a .npz file in MedMNIST's layout: give the path of one."
        )
    with path.open("rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            return {name: _read_member(archive, path, name) for name in MEMBERS}
        except _DAMAGE as error:
            raise FormatError(
                f"{path}: is not a whole .npz file ({error}); expected numpy.savez's format: fetch it anew."
            ) from error


def _read_member(archive: zipfile.ZipFile, path: Path, name: str) -> np.ndarray:
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        held = ", ".join(sorted(archive.namelist())[:8]) or "nothing"
        raise FormatError(
            f"{path}: has no {name}.npy (it holds {held}); expected the six of MedMNIST's layout, "
            f"{', '.join(MEMBERS)}: write them with numpy.savez."
        ) from None
    check_claim(f"{path}: {name}.npy", info.file_size, info.compress_size)
    with archive.open(info) as member:
        _check_header(member, f"{path}: {name}.npy", info.file_size)
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _check_header(member: IO[bytes], where: str, size: int) -> None:
    """Compare what the header promises with the member's size: numpy allocates it before reading."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    if dtype.hasobject:
        raise FormatError(
            f"{where}: holds Python objects ({dtype}); expected integers: save it with an integer dtype."
        )
    claimed = math.prod(shape) * dtype.itemsize
    if member.tell() + claimed != size:
        raise FormatError(
            f"{where}: the header promises {claimed:,} bytes for {shape} {dtype}, {size - member.tell():,} "
            "follow: fetch the file anew."
        )
