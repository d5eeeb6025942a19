"""Shortens what jsonargparse says to one line: the file, the key, what is wrong, the nearest match."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterable
from typing import Any, get_args

from jsonargparse._typehints import get_all_subclass_paths

from fulmen.config.parse_log import ParseLog
from fulmen.errors import UserError
from fulmen.host import host
from fulmen.names import near_matches
from fulmen.targets import load_target

_KEY = re.compile(r'^Parser key "([^"]+)":\s*')
_REQUIRED = re.compile(r"the following arguments are required: (?:\w+\.)?(.+)")
_UNRECOGNIZED = re.compile(r"^unrecognized arguments: (\S+)")
_REJECTED = re.compile(r"(?:Option|[Kk]ey|Subcommand '\w+' does not accept option) '([^']+)'")
_IN_CLASS = re.compile(
    r"Problem with given class_path '([^']+)':\n(.*?)(?=\n\s*- |\nGiven value type|\Z)", re.DOTALL
)
_EXPECTED = re.compile(r"Expected an? <class '([\w.]+)'>")
_GIVEN = re.compile(r"\n\s*Given value: (?:NestedArg\(key='[^']*', val=(.*)\)|(.*))\Z", re.DOTALL)
_NO_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
_GOT = re.compile(r"\. Got value: (.*)\Z", re.DOTALL)


def shorten(message: str, parser: Any, log: ParseLog) -> str:
    """Return jsonargparse's message in one line.

    Args:
        message: What jsonargparse would print after 80 lines of usage.
        parser: The parser that failed; its options are searched for near matches.
        log: What was seen in this parse.
    """
    if required := _REQUIRED.search(message):
        key = required[1].strip()
        return f"{key}: nothing is given; set --{key}, or the key {key!r} in a config (--help says more)."
    if unknown := _UNRECOGNIZED.search(message):
        return _unknown_option(unknown[1].partition("=")[0], parser)
    key, line = _leaf(message, parser, log)
    file = log.file_of(key) if key else None
    return ": ".join(part for part in (file, key, line) if part)


def _leaf(message: str, parser: Any, log: ParseLog, owner: type | None = None) -> tuple[str, str]:
    """Return the dotted key that is wrong and the deepest cause, in one line."""
    key = ""
    if match := _KEY.match(message):
        key, message = match[1], textwrap.dedent(message[match.end() :])
    if line := next((line for line in log.told if line in message), None):
        return key, line
    if nested := _IN_CLASS.search(message):
        cls = _imported_class(nested[1])
        inner, line = _leaf(textwrap.dedent(nested[2]).strip(), parser, log, cls)
        if inner:
            return ".".join(part for part in (key, "init_args", inner) if part), line
        return key, f"{nested[1]}: {line}"
    if rejected := _REJECTED.search(message):
        name = rejected[1]
        known = _parameters(owner) if owner else _keys(parser)
        return ".".join(part for part in (key, name) if part), _unknown_key(name, known, owner)
    if unknown := _NO_CLASS.search(message):
        return (
            key,
            f"no class is called {unknown[1]!r}{_near(near_matches(unknown[1], _classes(key, parser)))}",
        )
    if expected := list(dict.fromkeys(_EXPECTED.findall(message))):
        return key, f"expected {_types(expected)}{_found(message)}."
    return key, " ".join(message.split())


def _unknown_option(option: str, parser: Any) -> str:
    known = [o for action in parser._actions for o in action.option_strings]
    near = near_matches(option.lstrip("-"), [o.lstrip("-") for o in known])
    owner = _owner_of(option.lstrip("-").rpartition(".")[2])
    return f"{option}: no such option{_near([f'--{name}' for name in near])}{owner}"


def _unknown_key(name: str, known: Iterable[str], owner: type | None) -> str:
    of = f" of {owner.__qualname__}" if owner else ""
    return f"no such option{of}{_near(near_matches(name, known))}{_owner_of(name.rpartition('.')[2])}"


def _near(matches: list[str]) -> str:
    return f"; did you mean {' or '.join(repr(match) for match in matches)}?" if matches else "."


def _owner_of(option: str) -> str:
    """Say which component has an option of that very name, if one does."""
    for plugin, component in host().components():
        try:
            cls = load_target(component.target, component.name)
        except UserError:
            continue
        if option in _parameters(cls):
            return (
                f" {option!r} is an option of the {component.kind} {component.name!r} (plugin {plugin.name})."
            )
    return ""


def _parameters(cls: type) -> list[str]:
    found: dict[str, None] = {}
    for base in inspect.getmro(cls):
        if "__init__" in vars(base):
            found.update(dict.fromkeys(list(inspect.signature(vars(base)["__init__"]).parameters)[1:]))
    return [name for name in found if name not in {"args", "kwargs"}]


def _keys(parser: Any) -> list[str]:
    return [action.dest for action in parser._actions if action.dest != "help"]


def _classes(key: str, parser: Any) -> list[str]:
    """Return the names of the imported classes that a key takes."""
    typehint = next((getattr(a, "_typehint", None) for a in parser._actions if a.dest == key), None)
    bases = [t for t in (typehint, *get_args(typehint)) if isinstance(t, type)]
    return [path.rpartition(".")[2] for base in bases for path in get_all_subclass_paths(base)]


def _types(names: list[str]) -> str:
    words = ["null" if name == "NoneType" else name.rpartition(".")[2] for name in names]
    return " or ".join(words)


def _found(message: str) -> str:
    match = _GIVEN.search(message) or _GOT.search(message)
    value = next((group for group in match.groups() if group is not None), "") if match else ""
    return f", got {value.strip()!r:.60}" if value else ""


def _imported_class(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    try:
        found = functools.reduce(getattr, [name], importlib.import_module(module))
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None
