"""Which series drives which: read from a forecasting transformer, with significance.

This file is the list of public names; each module is imported when its name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_attention_granger.recordings import RecordingError as RecordingError
    from fulmen_attention_granger.recordings import Recordings as Recordings

_MODULES = {
    "RecordingError": "recordings",
    "Recordings": "recordings",
}
__all__ = ["RecordingError", "Recordings"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
