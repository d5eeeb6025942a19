"""What a checkpoint may hold: tensors and plain values, so that loading it never runs code.

A state that ``torch.load(weights_only=True)`` would refuse is refused here, while it is saved and the
run that made it still exists; Lightning finds out when the run is to be resumed.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator
from typing import Any

import torch

from fulmen.errors import CheckpointError

_SCALARS = {type(None), bool, int, float, complex, str, bytes, bytearray}
_TORCH = {torch.Size, torch.dtype, torch.device, torch.layout}
_TENSORS = {torch.Tensor, torch.nn.Parameter}
_MAPPINGS = {dict, collections.OrderedDict, collections.Counter}
_SEQUENCES = {list, tuple, set}

_OWNERS = {
    "hyper_parameters": "the model's hyper-parameters",
    "datamodule_hyper_parameters": "the data module's hyper-parameters",
    "optimizer_states": "an optimizer's state",
    "lr_schedulers": "a learning-rate scheduler's state",
    "loops": "the loops' state, which a stateful data loader fills",
}


def require_plain(state: Any, path: str | os.PathLike[str]) -> None:
    """Refuse a state that could not be loaded back as data.

    Args:
        state: What would be saved: nested dicts, lists, tuples and sets. Tensors' data is not read.
        path: The file it would go to, for the message.

    Raises:
        CheckpointError: names a key that is not plain, its type and its owner.
    """
    allowed = _SCALARS | _TORCH | _TENSORS | _MAPPINGS | _SEQUENCES | _registered_types()
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), state)]
    while waiting:
        keys, value = waiting.pop()
        kind = type(value)
        if kind not in allowed:
            raise CheckpointError(_refusal(path, keys, kind))
        if id(value) in seen:
            continue
        seen.add(id(value))
        waiting += [
            ((*keys, name), child) for name, child in _children(value, kind) if type(child) not in _SCALARS
        ]


def _children(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    if kind in _MAPPINGS:
        for key, child in value.items():
            yield str(key), key
            yield str(key), child
    elif kind in _SEQUENCES:
        yield from ((str(index), child) for index, child in enumerate(value))
    # Attributes are pickled too: state_dict()._metadata, or what someone hung on a tensor.
    if kind in _TENSORS or kind is collections.OrderedDict:
        yield from vars(value).items()


def _registered_types() -> set[Any]:
    """Return the classes that the user declared safe with ``torch.serialization.add_safe_globals``."""
    return {
        entry[0] if isinstance(entry, tuple) else entry for entry in torch.serialization.get_safe_globals()
    }


def _refusal(path: str | os.PathLike[str], keys: tuple[str, ...], kind: type) -> str:
    first = keys[0] if keys else ""
    owner = f"callback {keys[1]}" if first == "callbacks" and len(keys) > 1 else _OWNERS.get(first)
    return (
        f"{path}: not saved: {'.'.join(keys) or 'the state'} is a {kind.__module__}.{kind.__qualname__}"
        f"{f' ({owner})' if owner else ''}; a checkpoint holds tensors and plain values only, so that "
        "loading it never runs code. Keep it as a number, a string, a list or a dict, or leave it out "
        "(for hyper-parameters: save_hyperparameters(ignore=[...]))."
    )
