"""From a name and options, as YAML has them, to an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from fulmen.errors import ConfigError

Config = Mapping[str, Any]

_KEY = "component"


def build(base: type, config: Config) -> Any:
    """Return the object that ``{"class_path": ..., "init_args": {...}}`` means, as LightningCLI makes it.

    Args:
        base: What it is to be derived from.
        config: A full class path and options, as in YAML.
    """
    parser = _parser(base)
    return parser.instantiate(parser.parse_object({_KEY: dict(config)}))[_KEY]


def resolve(base: type, config: Config) -> dict[str, Any]:
    """Return the same config with full class paths in the place of short names.

    Raises:
        ConfigError: a name or an option is unknown; says which.
    """
    from fulmen.config import messages, short_names
    from fulmen.config.parse_log import parse_log

    short_names.install()
    parse_log.clear()
    parser = _parser(base)
    try:
        parsed = parser.parse_object({_KEY: dict(config)})
    except ArgumentError as error:
        raise ConfigError(messages.shorten(str(error), parser, parse_log)) from error
    resolved: dict[str, Any] = yaml.safe_load(parser.dump(parsed))[_KEY]
    return resolved


def _parser(base: type) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, _KEY)
    return parser
