"""The one way in which fulmen reads a checkpoint: as data, never as code.

Pickle can run anything. ``torch.load(weights_only=True)`` reads tensors and plain values only; what
needs more is refused, with no fall-back. A file whose writer is trusted is accepted when its path is
named: ``--trust-checkpoint PATH`` on the command line, ``trust=True`` in Python.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from fulmen.checkpoints.encoded import decoded
from fulmen.errors import CheckpointError

log = logging.getLogger(__name__)

MapLocation = Any  # what torch.load takes: a device, its name, a dict or a function

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+(:/|::)")  # two letters at least: C:/ is a drive
_ZIP = b"PK"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6: its magic number, pickled
_GLOBAL = re.compile(r"GLOBAL (\S+)")
_UNPICKLER = re.compile(r"WeightsUnpickler error:\s*(.+)")
_SPARE = 1 << 20  # bytes by which the entries may exceed the file before it is called a bomb

_trusted: set[str] = set()


def load_checkpoint(
    path: str | os.PathLike[str], *, trust: bool = False, map_location: MapLocation = "cpu"
) -> dict[str, Any]:
    """Return a checkpoint's contents: ``state_dict`` and whatever was saved beside it.

    Weights that an installed plugin has encoded come back as that plugin decodes them.

    Args:
        path: A local file that ``torch.save`` wrote, as Lightning's ``ModelCheckpoint`` does.
        trust: Read it even if it needs pickle, which runs whatever code the file holds.
        map_location: Where tensors go, as ``torch.load`` takes it.

    Raises:
        CheckpointError: the file is missing, remote, empty, a folder, damaged, not a checkpoint, has
            no ``state_dict``, needs pickle and is not trusted, or is encoded by a plugin that is not
            there or cannot mend it.
    """
    checkpoint = read_checkpoint(path, trust=trust, map_location=map_location)
    if not isinstance(checkpoint.get("state_dict"), dict):
        found = ", ".join(repr(key) for key in list(checkpoint)[:5]) or "nothing"
        raise CheckpointError(
            f"{path}: not a checkpoint of a model: it has no 'state_dict'; it holds {found}. "
            "Save weights as {'state_dict': model.state_dict()}, or give a file that fit saved."
        )
    return decoded(checkpoint, path)


def read_checkpoint(
    path: str | os.PathLike[str], *, trust: bool = False, map_location: MapLocation = "cpu"
) -> dict[str, Any]:
    """Return the dict that a file holds, which need not be a model's; else as `load_checkpoint`."""
    _ignore_forced_pickle()
    file = _local_file(path)
    require_format(file)
    trust = trust or os.path.realpath(file) in _trusted
    if trust:
        _warn_once(f"{path}: read with pickle, as asked for; it may run any code that it holds.")
    try:
        checkpoint = torch.load(file, map_location=map_location, weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_needs_pickle(file, error)) from error
    except Exception as error:  # torch raises whatever a broken byte leads it to
        raise CheckpointError(_damaged(file, error)) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f"{path}: not a checkpoint: it holds a {type(checkpoint).__name__}; "
            "expected a dict with a 'state_dict'. Give a file that fit saved."
        )
    return checkpoint


def trust_checkpoint(path: str | os.PathLike[str]) -> None:
    """Accept one file in this process even if it needs pickle (``--trust-checkpoint PATH``)."""
    _trusted.add(os.path.realpath(path))


def trusted_checkpoints() -> frozenset[str]:
    """Return the real paths that were named to `trust_checkpoint`."""
    return frozenset(_trusted)


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL of any scheme, as fsspec would take it."""
    return bool(_SCHEME.match(os.fspath(path)))


def _ignore_forced_pickle() -> None:
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower() in {"1", "y", "yes", "true"}:
        _warn_once(
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is ignored: fulmen reads checkpoints as data. "
            "Name a file that you trust with --trust-checkpoint PATH."
        )


@functools.cache
def _warn_once(line: str) -> None:
    """A run reads its checkpoint twice: for the model's options, then for the weights."""
    log.warning("%s", line)


def _local_file(path: str | os.PathLike[str]) -> str:
    if is_remote(path):
        raise CheckpointError(
            f"{os.fspath(path)}: a checkpoint is read from a local file, not from a URL: "
            "download it, check where it comes from, and give the file's path."
        )
    file = Path(path)
    if file.is_dir():
        raise CheckpointError(
            f"{path}: a folder; expected a checkpoint file. Give a file in it{_neighbours(file)}."
        )
    if not file.exists():
        raise CheckpointError(
            f"{path}: no such checkpoint. Check the path{_neighbours(file.parent)}, or train first."
        )
    if not file.is_file():
        raise CheckpointError(f"{path}: a device or a pipe; expected a checkpoint file.")
    return os.fspath(file)


def _neighbours(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry in folder.glob("*.ckpt"))
    except OSError:
        names = []
    return f" ({folder} has {', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""


def require_format(file: str) -> None:
    """Refuse what torch.save did not write or what is cut short, before torch makes anything of its bytes."""
    try:
        with Path(file).open("rb") as stream:
            head = stream.read(512)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror}).") from error
    if not head:
        raise CheckpointError(f"{file}: an empty file; expected a checkpoint. Give another, or train again.")
    if head.startswith(_ZIP):
        _require_torch_archive(file)
    elif not head.startswith(_LEGACY):
        found = "a tar archive of torch older than 0.4" if head[257:262] == b"ustar" else _looks_like(head)
        raise CheckpointError(
            f"{file}: not a checkpoint: {found}; expected a file that torch.save wrote. "
            "Give a file that fit saved."
        )


def _looks_like(head: bytes) -> str:
    if head[:1] == b"\x80":
        return "a pickle of something else"
    if head[8:9] == b"{":
        return "a safetensors file"
    return f"it begins with {head[:8]!r}"


def _require_torch_archive(file: str) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except Exception as error:  # a truncated archive, or one made to confuse
        raise CheckpointError(_damaged(file, error)) from error
    names = {entry.filename.partition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise CheckpointError(
            f"{file}: a TorchScript archive, which is a program; expected a checkpoint. "
            "Give a file that fit saved."
        )
    if "data.pkl" not in names:
        raise CheckpointError(
            f"{file}: a zip archive without data.pkl; expected a file that torch.save wrote. "
            "Give a file that fit saved."
        )
    # torch.save never compresses, so entries that unpack to more than the file are made to fill memory.
    if sum(entry.file_size for entry in entries) > Path(file).stat().st_size + _SPARE:
        raise CheckpointError(
            f"{file}: unpacks to more bytes than the file has; torch.save writes no such file. "
            "Give a file that fit saved."
        )


def _needs_pickle(file: str, error: Exception) -> str:
    text = str(error)
    if found := _GLOBAL.search(text):
        reason = found[1]
    elif found := _UNPICKLER.search(text):
        reason = found[1].strip().rstrip(".")
    else:
        reason = text.splitlines()[0] if text else type(error).__name__
    return (
        f"{file}: needs pickle, which can run any code, because it holds more than tensors and plain values "
        f"({reason}). If you trust whoever wrote it, add --trust-checkpoint {file} (in Python: trust=True)."
    )


def _damaged(file: str, error: Exception) -> str:
    size = Path(file).stat().st_size
    reason = (str(error).splitlines() or [""])[0].partition(". This is an internal")[0][:160]
    return (
        f"{file}: damaged or cut short ({size} bytes; {reason or type(error).__name__}); "
        "expected a whole checkpoint. Give another one, or train again."
    )
