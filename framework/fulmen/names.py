"""Short names: from what a user writes in YAML to the component of a plugin that it means."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from fulmen.errors import PluginError
from fulmen.hookspecs import Component
from fulmen.host import Host, host
from fulmen.installed import Plugin, fold
from fulmen.targets import load_target

LIST_ALL = "`fulmen plugins` lists all."


def find(kind: str, name: str, imported: Callable[[str], str | None] = lambda name: None) -> str | None:
    """Return the import path that ``name`` means where a component of ``kind`` is expected.

    The order: an exact short name (``wot``, ``zero_space_ecc.wot``), an imported class as
    LightningCLI knows it (``EarlyStopping``), a folded short name (case, ``-`` = ``_``), an import
    path. The component's module is imported, so that its errors are told here.

    Args:
        kind: A kind's name.
        name: What the user wrote.
        imported: Gives the import path of an imported class of that name, or None.

    Returns:
        A dotted import path, or None if ``name`` is no component of this kind: then it is an import
        path of the user's, or unknown (`explain_unknown` says what to tell them).

    Raises:
        PluginError: the component is ambiguous, of a broken or disabled plugin, needs an extra that
            is not installed, or cannot be imported.
    """
    matches = _exact(kind, name)
    if not matches:
        if path := imported(name):
            return path
        matches = _folded(kind, name)
    if len(matches) > 1:
        choices = ", ".join(f"{plugin.name}.{component.name}" for plugin, component in matches)
        raise PluginError(f"{kind} {name!r} is offered by several plugins; write one of: {choices}.")
    if matches:
        return load_component(*matches[0])
    _refuse_unusable_plugin(kind, name)
    return None


def load_component(plugin: Plugin, component: Component) -> str:
    """Import a component's class and return its dotted import path.

    Raises:
        PluginError: its extra is not installed, or it cannot be imported.
    """
    owner = f"{component.kind} {component.name!r} (plugin {plugin.name})"
    if component.extra is not None and not extra_is_installed(plugin.distribution, component.extra):
        raise PluginError(
            f"{owner} needs the extra {component.extra!r}, which is not installed: "
            f"pip install '{plugin.distribution}[{component.extra}]'"
        )
    load_target(component.target, owner)
    return component.import_path


def import_class(path: str) -> Any:
    """Return the class that a dotted import path, as `find` gives it, stands for."""
    module, _, attribute = path.rpartition(".")
    return load_target(f"{module}:{attribute}", path)


def is_importable(module: str) -> bool:
    """Whether there is a module of that name, at the top; it is not imported."""
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except ValueError:  # no name of a module
        return False


def explain_no_module(path: str) -> str:
    """Return the clause that tells a user that the first word of an import path is no module."""
    module = path.partition(".")[0]
    if Path(f"{module}.py").exists() or Path(module, "__init__.py").exists():
        return (
            f"{module} lies here, but this folder is not on Python's path (PYTHONPATH=. puts it there), and "
        )
    return f"there is no module {module!r}, and "


def name_of(cls: type) -> str | None:
    """Return ``plugin/name`` of the component that a class is, or None."""
    path = f"{cls.__module__}.{cls.__qualname__}"
    found = (f"{plugin.name}/{c.name}" for plugin, c in host().components() if c.import_path == path)
    return next(found, None)


def explain_unknown(kind: str, name: str, others: Iterable[str] = ()) -> str:
    """Return the line that tells a user that ``name`` is no component of ``kind``.

    Args:
        kind: The kind expected.
        name: What the user wrote.
        others: Further names that would have been right (imported classes).
    """
    known = host()
    elsewhere = [
        (plugin, component)
        for plugin, component in known.components()
        if fold(name) in {fold(component.name), fold(f"{plugin.name}.{component.name}")}
    ]
    if elsewhere:
        plugin, component = elsewhere[0]
        found = f"{name!r} (plugin {plugin.name}) is of the kind {component.kind}"
        return f"{found}; one of the kind {kind} is expected here. {LIST_ALL}"
    line = f"no {kind} is called {name!r}"
    full = [f"{p.name}.{c.name}" for p, c in known.components(kind)] if "." in name else []
    if near := near_matches(name, [*names_of_kind(known, kind), *full, *others]):
        line += f"; did you mean {' or '.join(repr(match) for match in near)}?"
    else:
        line += "."
    unusable = [f"{p.name} ({p.state}: {p.cause})" for p in known.plugins.values() if p.state != "ok"]
    if unusable:
        line += f" It may be of a plugin that is not loaded: {', '.join(unusable)}."
    return f"{line} {LIST_ALL}"


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return at most three of the known names that look like ``name``, best first; of like ones the first."""
    folded = {fold(candidate): candidate for candidate in reversed(list(known))}
    return [folded[match] for match in difflib.get_close_matches(fold(name), folded, n=3, cutoff=0.55)]


def names_of_kind(known: Host, kind: str) -> list[str]:
    """Return the short names of a kind, full names where two plugins share one."""
    pairs = list(known.components(kind))
    shared = [component.name for _, component in pairs]
    return [c.name if shared.count(c.name) == 1 else f"{p.name}.{c.name}" for p, c in pairs]


def extra_is_installed(distribution: str, extra: str) -> bool:
    """Whether everything that an extra of a distribution requires is installed."""
    return _extra_state(distribution, extra)


@functools.cache
def _extra_state(distribution: str, extra: str) -> bool:
    from packaging.requirements import Requirement

    requirements = [Requirement(line) for line in metadata.requires(distribution) or []]
    wanted = [
        r
        for r in requirements
        if r.marker and r.marker.evaluate({"extra": extra}) and not r.marker.evaluate({"extra": ""})
    ]
    for requirement in wanted:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return bool(wanted)


def _exact(kind: str, name: str) -> list[tuple[Plugin, Component]]:
    return [
        (plugin, component)
        for plugin, component in host().components(kind)
        if name in {component.name, f"{plugin.name}.{component.name}"}
    ]


def _folded(kind: str, name: str) -> list[tuple[Plugin, Component]]:
    folded = fold(name)
    return [
        (plugin, component)
        for plugin, component in host().components(kind)
        if folded in {fold(component.name), fold(f"{plugin.name}.{component.name}")}
    ]


def _refuse_unusable_plugin(kind: str, name: str) -> None:
    """Tell of ``plugin.name`` that the plugin is not usable, unless it is an import path."""
    owner, _, component = name.partition(".")
    plugin = {fold(plugin.name): plugin for plugin in host().plugins.values()}.get(fold(owner))
    if plugin is None or "." in component or not component or is_importable(owner):
        return
    if plugin.state == "ok":
        raise PluginError(explain_unknown(kind, name))
    remedy = "enable it to use it" if plugin.state == "disabled" else "mend, upgrade or uninstall it"
    raise PluginError(f"{kind} {name!r}: plugin {plugin.name!r} is {plugin.state}: {plugin.cause}; {remedy}.")
