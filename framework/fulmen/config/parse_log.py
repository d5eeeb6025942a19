"""What was seen during one parse, for its error message: jsonargparse loses it on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ParseLog:
    """The files and the words of one parse.

    Attributes:
        files: Config file to the mapping that it holds, in the order of reading.
        told: What was said of names of components.
    """

    files: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Start a new parse."""
        self.files.clear()
        self.told.clear()

    def file_of(self, key: str) -> str | None:
        """Return the last file that holds a dotted key, or None."""
        return next((file for file in reversed(self.files) if _holds(self.files[file], key.split("."))), None)


parse_log = ParseLog()
"""The log of the parse that is going on (parsing is not reentrant in one process)."""


def _holds(document: Any, parts: list[str]) -> bool:
    if not parts:
        return True
    if isinstance(document, list):
        return any(_holds(item, parts) for item in document)
    if not isinstance(document, Mapping):
        return False
    if parts[0] in document:
        return _holds(document[parts[0]], parts[1:])
    # Below a verb's block, and where init_args may be left out.
    inner = [
        document[key]
        for key in ("init_args", "fit", "validate", "test", "predict", "analyze")
        if key in document
    ]
    return any(_holds(value, parts) for value in inner)
