"""Whether the options of a component, its constructor's parameters, explain themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

_VARIADIC = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def undescribed_options(target: Callable[..., Any]) -> list[str]:
    """Return what is missing: ``"lr has no type"``, ``"lr has no line in the docstring"``.

    Args:
        target: A class, whose own docstring, its constructor's and its bases' count, or a function. A
            constructor inherited from another package is that one's to describe.
    """
    described = {name for text in _docstrings(target) for name in _described_in(text)}
    missing = []
    for option in _options(target):
        if option.annotation is inspect.Parameter.empty:
            missing.append(f"{option.name} has no type")
        if option.name not in described:
            missing.append(f"{option.name} has no line in the docstring")
    return missing


def _options(target: Callable[..., Any]) -> list[inspect.Parameter]:
    function, skipped = target, 0
    if inspect.isclass(target):
        function, skipped = target.__init__, 1  # self
        if _package(function) != _package(target):
            return []
    parameters = list(inspect.signature(function).parameters.values())[skipped:]
    return [parameter for parameter in parameters if parameter.kind not in _VARIADIC]


def _package(defined: Any) -> str:
    return str(getattr(defined, "__module__", "")).partition(".")[0]


def _docstrings(target: Callable[..., Any]) -> Iterator[str]:
    for owner in inspect.getmro(target) if inspect.isclass(target) else [target]:
        for part in (owner, vars(owner).get("__init__")):
            yield getattr(part, "__doc__", None) or ""


def _described_in(text: str) -> set[str]:
    from docstring_parser import ParseError, parse

    try:
        parameters = parse(text).params
    except ParseError:
        return set()
    return {parameter.arg_name for parameter in parameters if (parameter.description or "").strip()}
