"""Teaches jsonargparse the short names of plugins' components.

jsonargparse asks one private function for every name of a class: in YAML, on the command line, in
``+=``, for ``--model.help NAME``. That function is replaced, once, on the first FulmenCLI. There is
no public way (``set_parsing_settings`` takes fixed lists, ``set_loader`` does not see the command
line), so the version is bounded and tests/fulmen/test_short_names.py has a canary for each route.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from jsonargparse import _from_config, _typehints

from fulmen import names
from fulmen.config.parse_log import parse_log
from fulmen.errors import FulmenError, UserError
from fulmen.host import host

Resolver = Callable[[Any, str], str]


class NameResolutionError(ImportError):
    """A name is no component: an ImportError, since jsonargparse passes those on."""


def install() -> None:
    """Replace jsonargparse's resolution of class names; a second call does nothing.

    Raises:
        FulmenError: jsonargparse has no such function: fulmen was installed beside a version that
            it does not know.
    """
    original = getattr(_typehints, "resolve_class_path_by_name", None)
    if original is None or not hasattr(_from_config, "resolve_class_path_by_name"):
        raise FulmenError(
            "jsonargparse has changed where it resolves class names; install the version that fulmen "
            "asks for: pip install 'jsonargparse>=4.53,<4.54'"
        )
    if not hasattr(original, "of_fulmen"):
        resolver = _resolver(original)
        resolver.of_fulmen = True  # type: ignore[attr-defined]
        for module in (_typehints, _from_config):
            setattr(module, "resolve_class_path_by_name", resolver)  # noqa: B010


def kind_of(base: Any) -> str | None:
    """Return the kind of component that a type annotation takes, or None."""
    bases = {cls: kind for kind, cls in reversed(_loaded_bases().items())}  # the core's kinds win
    for candidate in base if isinstance(base, tuple) else (base,):
        for parent in getattr(candidate, "__mro__", ()):
            if parent in bases:
                return bases[parent]
    return None


def _resolver(original: Resolver) -> Resolver:
    @functools.wraps(original)
    def resolve_class_path_by_name(cls: Any, name: str) -> str:
        kind = kind_of(cls) if isinstance(name, str) else None
        if kind is None:
            return original(cls, name)

        def imported(short: str) -> str | None:
            path = original(cls, short) if "." not in short else short
            return path if "." in path and path != short else None

        try:
            path = names.find(kind, name, imported)
        except UserError as error:
            raise _tell(str(error)) from error
        if path is None and not ("." in name and names.is_importable(name.partition(".")[0])):
            unknown = names.explain_unknown(kind, name, _imported_names(cls))
            raise _tell(f"{names.explain_no_module(name)}{unknown}" if "." in name else unknown)
        return path or name

    return resolve_class_path_by_name


def _tell(line: str) -> NameResolutionError:
    parse_log.told.append(line)  # jsonargparse buries it among the types of a union
    return NameResolutionError(line)


def _imported_names(cls: Any) -> list[str]:
    classes = cls if isinstance(cls, tuple) else (cls,)
    return [path.rpartition(".")[2] for c in classes for path in _typehints.get_all_subclass_paths(c)]


def _loaded_bases() -> dict[str, type]:
    """Kind to base class, for the bases that are imported: no other can be an annotation."""
    bases = {}
    for kind in host().kinds.values():
        module, _, attribute = kind.base.partition(":")
        if base := getattr(sys.modules.get(module), attribute, None):
            bases[kind.name] = base
    return bases
