"""Arrays as plain data, so that a finished piece of work can be kept as JSON."""

from __future__ import annotations

import base64
import zlib

import numpy as np


def pack(array: np.ndarray) -> dict[str, object]:
    """Return an array's type, shape and bytes (compressed, base64)."""
    content = base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 1)).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "content": content}


def unpack(packed: dict[str, object]) -> np.ndarray:
    """Return the array of what `pack` gave."""
    content = zlib.decompress(base64.b64decode(str(packed["content"])))
    shape = packed["shape"]
    assert isinstance(shape, list)
    return np.frombuffer(content, dtype=str(packed["dtype"])).reshape(shape).copy()
