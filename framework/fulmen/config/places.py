"""Where in the user's config stands what a component refused: it knows its options, not their keys there.

What jsonargparse refuses while it parses, messages.py tells; this is for what comes after: a class that is
built, a verb that runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonargparse import Namespace

from fulmen.config import suggestions
from fulmen.config.parse_log import ParseLog

_WORD = re.compile(r"\w+")
_KEY = re.compile(r"(\w+(?:\.\w+)*)(?:: (\w+))?")
_BUILDERS = ("__init__", "__post_init__")
# What is laid over the config is the searcher's: there the key stands that is none of the config's.
_OWNERS = {"overlay": "searcher"}


@dataclass(frozen=True)
class Node:
    """An object of the config: its dotted key, its class and its options."""

    key: str
    cls: type
    options: Mapping[str, Any]


def placed(error: BaseException, config: Any, log: ParseLog) -> str:
    """Return what an error says, begun by the file and the full dotted key of what it is about, where known.

    Args:
        error: What was refused; its first words name an option of the class that raised it, or a key.
        config: The parsed config of the verb.
        log: The files and options of the parse.
    """
    said = str(error)
    if any(said.startswith(file) for file in log.files):
        return said
    node = _node_that_raised(error, config)
    key, line = _in_object(said, node) if node else _by_first_words(said, config)
    file = log.file_that_gives(key) if key else None
    return f"{file}: {line}" if file else line


def _in_object(said: str, node: Node) -> tuple[str, str]:
    """Return the key of the option that a line begins with, or else of the object, and the line with it."""
    name = node.key.rpartition(".")[2]
    said = re.sub(rf"^{name}( \w+)?: ", "", said)  # as it says where no config is: `engine processes: ...`
    word = _WORD.match(said)
    if word and word[0] in suggestions.parameters(node.cls):
        return f"{node.key}.init_args.{word[0]}", f"{node.key}.init_args.{said}"
    return node.key, f"{node.key}: {said}"


def _by_first_words(said: str, config: Any) -> tuple[str | None, str]:
    """Return the key that a line begins with, the second word of which may be a key in it; and the line."""
    match = _KEY.match(said)
    if match is None:
        return None, said
    first, second = match.groups()
    if owner := _OWNERS.get(first):
        return owner, f"{owner}: {said.removeprefix(f'{first}: ')}"
    top = _plain(config)
    if first.partition(".")[0] not in top:
        return None, said
    inside = _plain(top.get(first))
    for between, keys in ((".", inside), (".init_args.", _plain(inside.get("init_args")))):
        if second in keys:
            return f"{first}{between}{second}", f"{first}{between}{said.removeprefix(f'{first}: ')}"
    return first, said


def _node_that_raised(error: BaseException, config: Any) -> Node | None:
    """Return the object of the config in whose making an error was raised, or None."""
    everyone = list(nodes(config))
    for cls, names in _makers(error):
        found = [node for node in everyone if node.cls is cls]
        if found:  # of several, the one whose options are those that it was made with
            return max(found, key=lambda node: sum(_is(names.get(k), v) for k, v in node.options.items()))
    return None


def _is(made_with: Any, given: Any) -> bool:
    return repr(made_with) == repr(given)  # of tensors `==` is no answer


def _makers(error: BaseException) -> Iterator[tuple[type, Mapping[str, Any]]]:
    """Yield the classes in whose ``__init__`` an error was raised, and the names there; its causes last."""
    trace = error.__traceback__
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        if frame.f_code.co_name in _BUILDERS and "self" in frame.f_locals:
            yield type(frame.f_locals["self"]), frame.f_locals
    if error.__cause__ is not None:
        yield from _makers(error.__cause__)


def nodes(value: Any, key: str = "") -> Iterator[Node]:
    """Yield the objects of a config, those that stand in others too."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from nodes(item, key)
        return
    inside = _plain(value)
    path = inside.get("class_path")
    if isinstance(path, str) and (cls := suggestions.imported_class(path)):
        yield Node(key, cls, _plain(inside.get("init_args")))
    for name, inner in inside.items():
        yield from nodes(inner, f"{key}.{name}" if key else str(name))


def _plain(value: Any) -> Mapping[str, Any]:
    """Return a mapping of a config's keys to values; empty where there are none."""
    if isinstance(value, Namespace):
        return vars(value)
    return value if isinstance(value, Mapping) else {}
