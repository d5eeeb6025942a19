"""Arrays as one ``.npz`` file and back: never pickled, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def plain_array(value: Any, name: str) -> Array:
    """Return a value as a numpy array without Python objects.

    Raises:
        UserError: it is no array, or holds objects.
    """
    import numpy as np

    try:
        array = np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:  # ragged lists, tensors on a device
        raise UserError(f"report: array {name!r} is not an array: {error}") from None
    if array.dtype.hasobject:
        raise UserError(
            f"report: array {name!r} holds Python objects; arrays hold numbers, truth values or text."
        )
    return array


def describe_array(array: Array) -> dict[str, Any]:
    """Return an array's type and shape as plain data."""
    return {"dtype": str(array.dtype), "shape": list(array.shape)}


def same_array(mine: Array, theirs: Array) -> bool:
    """Whether two arrays agree in type, shape and values; NaN equals NaN."""
    import numpy as np

    if describe_array(mine) != describe_array(theirs):
        return False
    return bool(np.array_equal(mine, theirs, equal_nan=mine.dtype.kind in "fcmM"))


def to_npz(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays as a compressed ``.npz`` file."""
    import numpy as np

    # Not numpy.savez: it takes no array called "file", and promises nothing about dates.
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def from_npz(path: Path, described: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays that ``described`` names (``describe_array`` of each).

    Raises:
        ValueError: an array is not what its description says, or holds objects.
        KeyError: an array is missing.
    """
    import numpy as np

    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name, description in described.items():
            with archive.open(f"{name}.npy") as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
            if describe_array(arrays[name]) != description:
                raise ValueError(f"array {name!r} is not of the type and shape that report.json says")
    return arrays
