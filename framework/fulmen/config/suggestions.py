"""What a user may have meant by a key, an option or a class that is not there."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterable
from typing import Any, get_args

from jsonargparse._typehints import get_all_subclass_paths

from fulmen import targets
from fulmen.host import host
from fulmen.names import near_matches

CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


def did_you_mean(matches: Iterable[str]) -> str:
    """Return ``; did you mean 'a' or 'b'?``, or a full stop if there is nothing to propose."""
    quoted = " or ".join(repr(match) for match in matches)
    return f"; did you mean {quoted}?" if quoted else "."


def near_keys(name: str, known: Iterable[str]) -> list[str]:
    """Return the known keys that look like a dotted key: those beside it first, by their last word."""
    group, _, last = name.rpartition(".")
    keys = [key for key in known if not key.endswith((".help", "+"))]
    beside = {key.rpartition(".")[2]: key for key in keys if key.rpartition(".")[0] == group}
    return [beside[match] for match in near_matches(last, beside)] or near_matches(name, keys)


def owner_of(option: str, kind: str | None = None) -> str:
    """Say which component has an option of that very name, if one does; those of a kind come first."""
    components = sorted(host().components(), key=lambda pair: pair[1].kind != kind)
    for plugin, component in components:
        if option in targets.parameters(component.target):
            owner = f"the {component.kind} {component.name!r} (plugin {plugin.name})"
            return f" {option!r} is an option of {owner}."
    return ""


def parameters(cls: type | None) -> list[str]:
    """Return the names of the parameters of a class; those of its bases too where it passes them on."""
    found: dict[str, None] = {}
    for base in inspect.getmro(cls) if cls else ():
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        found.update(dict.fromkeys(p.name for p in own if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}))
        if not any(p.kind == p.VAR_KEYWORD for p in own):
            break
    return list(found)


def options(parser: Any) -> list[str]:
    """Return the options of a parser and of its verbs, dashes included."""
    own = [option for action in parser._actions for option in action.option_strings]
    verbs = parser._subcommands_action
    return [*own, *(o for verb in (verbs._name_parser_map.values() if verbs else ()) for o in options(verb))]


def keys(parser: Any) -> list[str]:
    """Return the dotted keys that a parser takes."""
    return [action.dest for action in parser._actions if action.dest != "help"]


def classes(key: str, parser: Any) -> list[str]:
    """Return the names of the imported classes that a key takes."""
    return [
        path.rpartition(".")[2] for base in declared(key, parser) for path in get_all_subclass_paths(base)
    ]


def declared(key: str, parser: Any) -> list[type]:
    """Return the classes that the type of a key names."""
    typehint = next((getattr(a, "_typehint", None) for a in parser._actions if a.dest == key), None)
    return [cls for cls in _types_in(typehint) if cls is not type(None)]


def imported_class(path: str) -> type | None:
    """Return the class of a dotted import path, or None."""
    module, _, name = path.rpartition(".")
    try:
        found = functools.reduce(getattr, [name], importlib.import_module(module))
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None


def _types_in(typehint: Any) -> list[type]:
    inner = [cls for argument in get_args(typehint) for cls in _types_in(argument)]
    return [*([typehint] if isinstance(typehint, type) and not inner else []), *inner]
