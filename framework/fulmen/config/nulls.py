"""A null for an option that takes none: jsonargparse lets it pass, and what is built with it fails late."""

from __future__ import annotations

import inspect
import typing
from typing import Any

from fulmen.config.places import nodes
from fulmen.errors import ConfigError


def check(config: Any) -> None:
    """Refuse a null where the class that a config names takes none.

    Args:
        config: The parsed config of a verb.

    Raises:
        ConfigError: names the key and the default.
    """
    for node in nodes(config):
        for name, value in node.options.items():
            if value is None and (default := _default_in_place_of_none(node.cls, name)) is not None:
                raise ConfigError(
                    f"{node.key}.init_args.{name}: expected a value, got null: give one, or leave it out for "
                    f"{default!r:.60}."
                )


def _default_in_place_of_none(cls: type, name: str) -> Any:
    """Return the default of a parameter that takes no None; None where it may, or where nobody can tell."""
    try:
        parameter = inspect.signature(cls).parameters.get(name)
        if parameter is None or parameter.default in (None, parameter.empty):
            return None
        hint = typing.get_type_hints(cls.__init__).get(name, Any)  # type: ignore[misc]
    except Exception:  # a class that hides its signature, a hint of a name that is not there
        return None
    plain = isinstance(hint, type) or typing.get_origin(hint) in (list, dict, tuple, typing.Literal)
    return parameter.default if plain and hint is not object else None
