"""What made a result: versions, and configurations and commands without their secrets."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

HIDDEN = "***"
_SECRET = r"[\w.\-]*(?:token|password|secret|key)[\w.\-]*"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_OPTION = re.compile(rf"(--{_SECRET}(?:=|\s+(?!--)))((?:'[^']*'|\"[^\"]*\"|[^\s'\"])+)", re.IGNORECASE)
_LOGIN = re.compile(r"(\w://)[^\s/@]+@")


def versions() -> dict[str, Any]:
    """Return the versions of fulmen, its plugins, torch, Lightning and Python, and the platform.

    Read from installed metadata: imports nothing. A plugin's is ``"<distribution> <version>"``.
    """
    return {
        "fulmen": _version("fulmen"),
        "plugins": {
            entry.name: f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
            for entry in sorted(metadata.entry_points(group="fulmen"))
        },
        "torch": _version("torch"),
        "lightning": _version("lightning"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def redact(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without its secrets, whatever its depth.

    What stands under a key that has ``token``, ``password``, ``secret`` or ``key`` in its name
    becomes ``***``, but for sizes (``num_tokens: 512``); so do options of such a name in a command
    (``--logger.api_key abc``), and the login of an address (``https://user:password@host``). None
    stays: nothing was given.
    """
    return {
        key: _hide(value, _hides_numbers(key)) if _is_secret(key) else _redact(value)
        for key, value in mapping.items()
    }


def _redact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact(value)
    if isinstance(value, list | tuple):
        return _redact_arguments([_redact(item) for item in value])
    if isinstance(value, str):
        return _LOGIN.sub(rf"\1{HIDDEN}@", _OPTION.sub(rf"\1{HIDDEN}", value))
    return value


def _redact_arguments(items: list[Any]) -> list[Any]:
    """A command as a list: what follows ``--api_key`` is hidden unless it is the next option."""
    shown: list[Any] = []
    before: Any = None
    for item in items:
        hidden = isinstance(item, str) and not item.startswith("--") and _is_option_of_secret(before)
        shown.append(HIDDEN if hidden else item)
        before = item
    return shown


def _is_option_of_secret(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("--") and "=" not in item and _is_secret(item)


def _hide(value: Any, numbers: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _hide(inner, numbers) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item, numbers) for item in value]
    shown = value is None or (isinstance(value, int | float) and not numbers)
    return value if shown else HIDDEN


def _is_secret(name: object) -> bool:
    return _SECRET_NAME.search(str(name)) is not None


def _hides_numbers(name: object) -> bool:
    # num_tokens and key_dim are sizes, which a saved config must keep; a password may be a number.
    return re.search(r"password|secret", str(name), re.IGNORECASE) is not None


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
