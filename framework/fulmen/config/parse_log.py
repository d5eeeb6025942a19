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
        options: The keys that options of the command line give.
    """

    files: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Start a new parse."""
        self.files.clear()
        self.told.clear()
        self.options.clear()

    def kept(self) -> ParseLog:
        """Return a copy, which the parses that follow leave alone."""
        return ParseLog(dict(self.files), list(self.told), list(self.options))

    def file_of(self, key: str, value: str | None = None) -> str | None:
        """Return the last file that gives a dotted key, or None; arguments as of `place_of`."""
        return self.place_of(key, value)[0]

    def place_of(self, key: str, value: str | None = None) -> tuple[str | None, str]:
        """Return the last file that gives a dotted key, or None, and the whole key.

        Args:
            key: The key; where it leads into a mapping of objects, that mapping's own key may be left out.
            value: The value that is wrong, if known: an option may have set another than the file.
        """
        if self._is_given_by_option(key):
            return None, key
        for file in reversed(self.files):
            found = list(_places(self.files[file], key.split(".")))
            values = [inner for _, inner in found]
            if found and (value is None or value[:1] in "[{(" or value in _texts(values)):
                return file, ".".join(found[0][0])
        return None, key

    def file_that_gives(self, key: str) -> str | None:
        """Return the file that gives a dotted key, or else what it is a part of; None if an option does."""
        if self._is_given_by_option(key):
            return None
        while key:
            if file := self.file_of(key):
                return file
            key = key.rpartition(".")[0]
        return None

    def _is_given_by_option(self, key: str) -> bool:
        """Whether an option of the command line gives a dotted key, or what it is a part of."""
        short = f"{key}.".replace(".init_args.", ".")
        return any(short.startswith(f"{option}.".replace(".init_args.", ".")) for option in self.options)


parse_log = ParseLog()
"""The log of the parse that is going on (parsing is not reentrant in one process)."""


def _places(document: Any, parts: list[str]) -> Iterator[tuple[list[str], Any]]:
    """Yield the keys to what stands under a dotted key, and what stands there.

    Looked at are each item of a list, values with or without ``init_args``, and those of a mapping whose keys
    are dotted themselves, as those of a search's spaces.
    """
    if not parts:
        yield [], document
    elif isinstance(document, list):
        for item in document:
            yield from _places(item, parts)
    elif isinstance(document, Mapping):
        given = [key for key in document if parts[: key.count(".") + 1] == key.split(".")]
        for key in given:
            yield from _below([key], document[key], parts[key.count(".") + 1 :])
        if given:
            return
        if parts[0] == "init_args":
            yield from _below(["init_args"], document, parts[1:])
            for key in (key for key in document if "." in key):
                yield from _below([key], document[key], parts)
        for key in ("init_args", *VERBS):  # where init_args may be left out; below a verb's block
            if key in document:
                yield from _places(document[key], parts)


def _below(keys: list[str], document: Any, parts: list[str]) -> Iterator[tuple[list[str], Any]]:
    for inner, value in _places(document, parts):
        yield [*keys, *inner], value


def _texts(values: Any) -> Iterator[str]:
    """Yield the scalars inside a value as text."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from _texts(value)
    else:
        yield str(values)
