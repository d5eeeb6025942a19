"""Weights from a bare state dict, the kind of file that torchvision's checkpoints are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fulmen_vision.format_error import FormatError


def load_state_dict_file(network: nn.Module, path: Path, ignore: Sequence[str] = ()) -> None:
    """Load a file of weights into a network, in place, all or nothing.

    Args:
        network: Its parameters and buffers are overwritten; counters of batch normalisations, which
            old files lack, may be missing in the file.
        path: A local file that ``torch.save`` wrote of a ``state_dict()``. Read as data
            (``weights_only``), never as code.
        ignore: Names of layers (``fc``, ``classifier.6``) that keep the weights they have.

    Raises:
        FormatError: the file is missing, damaged, no bare state dict or of another network, or a name
            in ``ignore`` matches nothing. Names up to three weights that differ.
    """
    weights = _read(path)
    expected = network.state_dict()
    known = {name for name, _ in network.named_modules()} | set(expected)
    for name in ignore:
        if not name or name not in known:
            raise FormatError(f"weights_ignore: the network has no layer or parameter called {name!r}.")
    kept = {name for name in expected if any(name == i or name.startswith(f"{i}.") for i in ignore)}
    differences = _differences({n: t for n, t in expected.items() if n not in kept}, weights, kept)
    if differences:
        shown = "; ".join(differences[:3])
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise FormatError(
            f"{path}: is of another network: {shown}{more}; expected the weights of this "
            f"{type(network).__name__}: correct its options, or name layers that shall start anew in "
            "weights_ignore."
        )
    network.load_state_dict({**expected, **{n: t for n, t in weights.items() if n not in kept}})


def _read(path: Path) -> dict[str, Tensor]:
    if "://" in str(path) or ":/" in str(path)[2:]:
        raise FormatError(f"{path}: is a URL; expected a local file: download it and give its path.")
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise FormatError(f"{path}: {found}; expected a file of weights: give its path.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a broken byte leads it to
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FormatError(
            f"{path}: cannot be read as weights ({reason}); expected a whole file that torch.save wrote of "
            "tensors alone: fetch it anew."
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        raise FormatError(
            f"{path}: is a checkpoint of a whole run; expected a bare state dict: give it as --ckpt_path, or "
            "save the state_dict of its network alone."
        )
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    ):
        raise FormatError(
            f"{path}: holds {_described(content)}; expected a bare state dict, name to tensor: save it as "
            "torch.save(network.state_dict(), path)."
        )
    return content


def _described(content: object) -> str:
    if not isinstance(content, dict):
        return f"a {type(content).__name__}"
    others = [f"{name!r}: {type(v).__name__}" for name, v in content.items() if not isinstance(v, Tensor)]
    return f"a dict with {', '.join(others[:3])}" if others else "an empty dict"


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor], kept: set[str]) -> list[str]:
    shapes = [
        f"{name} has shape {tuple(found[name].shape)} in place of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    missing = [
        f"{name} is missing"
        for name in expected
        if name not in found and not name.endswith("num_batches_tracked")
    ]
    unknown = [f"{name} is unknown" for name in found if name not in expected and name not in kept]
    broken = [
        f"{name} is not finite"
        for name, tensor in found.items()
        if name in expected and tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]
    return shapes + missing + unknown + broken
