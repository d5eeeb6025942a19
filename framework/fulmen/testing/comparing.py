"""Where two nested values differ: tensors, arrays, containers, plain values and objects made of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def first_difference(a: Any, b: Any, at: str = "") -> str | None:
    """Return where two values differ first, and how, in a line; None if they are equal bit for bit.

    NaN equals NaN. Types count: ``1`` and ``1.0`` differ.
    """
    where = at or "the whole"
    if type(a) is not type(b):
        return f"{where}: {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, torch.Tensor):
        return _of_arrays(_as_array(a), _as_array(b), where)
    if isinstance(a, np.ndarray | np.generic):
        return _of_arrays(np.asarray(a), np.asarray(b), where)
    if isinstance(a, Mapping):
        return _of_mappings(a, b, at)
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return f"{where}: {len(a)} and {len(b)} items"
        return _of_mappings(dict(enumerate(a)), dict(enumerate(b)), at)
    if hasattr(a, "__dict__") and not _knows_equality(a):
        return _of_mappings(vars(a), vars(b), at)
    return None if a == b or (a != a and b != b) else f"{where}: {a!r:.60} and {b!r:.60}"


def _as_array(tensor: torch.Tensor) -> Any:
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()  # numpy has no bfloat16


def _of_arrays(a: Any, b: Any, where: str) -> str | None:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{where}: {a.dtype} of shape {a.shape} and {b.dtype} of shape {b.shape}"
    if a.tobytes() == b.tobytes():
        return None
    different = (a != b) & ~((a != a) & (b != b))
    return f"{where}: {int(different.sum())} of {a.size} values differ" if different.any() else None


def _of_mappings(a: Mapping[Any, Any], b: Mapping[Any, Any], at: str) -> str | None:
    if unshared := sorted(map(str, a.keys() ^ b.keys())):
        return f"{at or 'the whole'}: only one has {', '.join(unshared[:3])}"
    found = (first_difference(a[key], b[key], f"{at}.{key}" if at else str(key)) for key in a)
    return next((difference for difference in found if difference), None)


def _knows_equality(value: Any) -> bool:
    return any("__eq__" in vars(cls) for cls in type(value).__mro__ if cls is not object)
