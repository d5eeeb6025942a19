"""An analyzer as a part of an option's value, by name or class path, as in an objective's source."""

from __future__ import annotations

from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from fulmen.analysis import Analyzer
from fulmen.config import messages, short_names
from fulmen.config.parse_log import parse_log
from fulmen.errors import ConfigError


def require_analyzer(specification: Any, where: str) -> None:
    """Refuse what names no analyzer or options that it does not have.

    Args:
        specification: A name, or ``{class_path, init_args}``.
        where: The option, for the message.

    Raises:
        ConfigError: says what is wrong.
    """
    _parse(specification, where)


def build_analyzer(specification: Any, where: str) -> Analyzer:
    """Return the analyzer; arguments and errors as of `require_analyzer`."""
    parser, parsed = _parse(specification, where)
    analyzer: Analyzer = parser.instantiate(parsed)["analyzer"]
    return analyzer


def _parse(specification: Any, where: str) -> tuple[Any, Any]:
    short_names.install()
    parse_log.clear()
    parser: Any = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Analyzer, "analyzer")
    if isinstance(specification, str):
        specification = {"class_path": specification}
    try:
        return parser, parser.parse_object({"analyzer": specification})
    except ArgumentError as error:
        said = messages.shorten(str(error), parser, parse_log)
        raise ConfigError(f"{where}: {said}") from error
