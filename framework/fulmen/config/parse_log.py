"""What was seen during one parse, for its error message: jsonargparse loses it on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

VERBS = ("fit", "validate", "test", "predict", "analyze", "search")


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

    def file_of(self, key: str, value: str | None = None) -> str | None:
        """Return the last file that gives a dotted key, or None.

        Args:
            key: The key.
            value: The value that is wrong, if known: an option may have set another than the file.
        """
        for file in reversed(self.files):
            found = list(_values(self.files[file], key.split(".")))
            if found and (value is None or value[:1] in "[{(" or value in _texts(found)):
                return file
        return None


parse_log = ParseLog()
"""The log of the parse that is going on (parsing is not reentrant in one process)."""


def _values(document: Any, parts: list[str]) -> Iterator[Any]:
    """Yield what stands under a dotted key, in each item of a list, with or without ``init_args``."""
    if not parts:
        yield document
    elif isinstance(document, list):
        for item in document:
            yield from _values(item, parts)
    elif isinstance(document, Mapping):
        if parts[0] in document:
            yield from _values(document[parts[0]], parts[1:])
            return
        if parts[0] == "init_args":
            yield from _values(document, parts[1:])
        for key in ("init_args", *VERBS):  # where init_args may be left out; below a verb's block
            if key in document:
                yield from _values(document[key], parts)


def _texts(values: Any) -> Iterator[str]:
    """Yield the scalars inside a value as text."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from _texts(value)
    else:
        yield str(values)
