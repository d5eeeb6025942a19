"""The plugin host: finds the installed plugins and keeps a broken one from harming the rest.

Plugins are modules named by entry points of the group ``fulmen``. The host reads the names from the
metadata of the installed distributions, imports each ``plugin.py`` on its own (strings only, so
this is quick), and asks it for components, kinds and commands. Whatever goes wrong is kept as that
plugin's cause and shown by ``fulmen plugins``; a component's own module is imported when it is named.
"""

from __future__ import annotations

import functools
import importlib
import os
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

import pluggy

from fulmen import hookspecs
from fulmen.errors import PluginError
from fulmen.hookspecs import API_VERSION, CORE_KINDS, PROJECT, Command, Component, Kind

State = Literal["ok", "broken", "disabled"]


@dataclass
class Plugin:
    """One installed plugin and what became of it.

    Attributes:
        name: Its entry point's name.
        distribution: The distribution that installed it, and ``version``, that one's version.
        value: What the entry point names, ``"fulmen_hello.plugin"``.
        file: The file of the loaded module, or None.
        state: ``ok``, ``broken`` or ``disabled``.
        cause: Why it is broken, or who disabled it; one line.
    """

    name: str
    distribution: str
    version: str
    value: str
    file: str | None = None
    state: State = "ok"
    cause: str | None = None
    components: list[Component] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def break_down(self, cause: str) -> None:
        """Mark the plugin as broken and take back what it offered."""
        self.state, self.cause = "broken", cause
        self.components, self.kinds, self.commands = [], [], []


class Host:
    """The plugins of this process.

    Args:
        disabled: Plugins that are not loaded.
        only: If not None, the only plugins that are loaded.
    """

    def __init__(self, disabled: Iterable[str] = (), only: Iterable[str] | None = None) -> None:
        self.disabled = frozenset(disabled)
        self.only = None if only is None else frozenset(only)
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in CORE_KINDS}
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs.HookSpecs)
        self.plugins = {plugin.name: plugin for plugin in _installed_plugins()}
        for plugin in self.plugins.values():
            self._load(plugin)
        for plugin in self.plugins.values():
            self._open_kinds(plugin)
        for plugin in self.plugins.values():
            self._check_kinds(plugin)

    @property
    def faults(self) -> list[str]:
        """One line per broken plugin, for the start of a run."""
        return [
            f"plugin {p.name!r} ({p.distribution} {p.version}) is broken and left out: {p.cause}"
            for p in self.plugins.values()
            if p.state == "broken"
        ]

    def components(self, kind: str | None = None) -> Iterator[tuple[Plugin, Component]]:
        """Yield the usable components, of one kind or of all."""
        for plugin in self.plugins.values():
            for component in plugin.components:
                if kind is None or component.kind == kind:
                    yield plugin, component

    def call_each(self, hook: str, **arguments: Any) -> list[str]:
        """Call a run hook of each plugin on its own; return one line per plugin that raised."""
        faults = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            values = [arguments[name] for name in implementation.argnames]
            try:
                implementation.function(*values)
            except Exception as error:
                faults.append(f"plugin {implementation.plugin_name!r} raised in {hook}: {one_line(error)}")
        return faults

    def _load(self, plugin: Plugin) -> None:
        if plugin.state == "broken":
            return
        if plugin.name in self.disabled:
            plugin.state, plugin.cause = "disabled", "disabled by FULMEN_DISABLE or --disable"
            return
        if self.only is not None and plugin.name not in self.only:
            plugin.state, plugin.cause = "disabled", "not among FULMEN_ONLY"
            return
        try:
            module = _import_plugin(plugin)
            plugin.file = getattr(module, "__file__", None)
            self._register(plugin, module)
            plugin.kinds = self._collect("fulmen_kinds", plugin, Kind)
            plugin.components = self._collect("fulmen_components", plugin, Component)
            plugin.commands = self._collect("fulmen_commands", plugin, Command)
            _check_names(plugin)
        except (Exception, SystemExit) as error:
            plugin.break_down(error.cause if isinstance(error, _Fault) else one_line(error))
            self._unregister(plugin)

    def _register(self, plugin: Plugin, module: types.ModuleType) -> None:
        try:
            self._manager.register(module, name=plugin.name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise _Fault("; ".join(lines[1:]) if len(lines) > 1 else lines[0]) from error

    def _unregister(self, plugin: Plugin) -> None:
        if self._manager.has_plugin(plugin.name):
            self._manager.unregister(name=plugin.name)

    def _collect(self, hook: str, plugin: Plugin, record: type[Any]) -> list[Any]:
        """Call one plugin's hook alone: pluggy would drop everybody's answer when one raises."""
        found: list[Any] = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != plugin.name:
                continue
            try:
                answer = implementation.function()
            except Exception as error:
                raise _Fault(f"{hook}() raised {one_line(error)}") from error
            if not isinstance(answer, list | tuple) or not all(isinstance(item, record) for item in answer):
                raise _Fault(f"{hook}() must return a list of fulmen.{record.__name__}, got {answer!r:.80}")
            found.extend(answer)
        return found

    def _open_kinds(self, plugin: Plugin) -> None:
        for kind in plugin.kinds:
            if kind.name in self.kinds:
                plugin.break_down(f"opens the kind {kind.name!r}, which exists already")
                self._unregister(plugin)
                return
        self.kinds.update({kind.name: kind for kind in plugin.kinds})

    def _check_kinds(self, plugin: Plugin) -> None:
        for component in plugin.components:
            if component.kind not in self.kinds:
                plugin.break_down(
                    f"component {component.name!r} is of the kind {component.kind!r}, which no plugin opens; "
                    f"known kinds: {', '.join(sorted(self.kinds))}"
                )
                self._unregister(plugin)
                return


class _Fault(Exception):  # noqa: N818
    """What is wrong with a plugin, in the words that `fulmen plugins` shows."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@functools.cache
def host() -> Host:
    """Return this process's host, made on first use from FULMEN_DISABLE and FULMEN_ONLY."""
    only = os.environ.get("FULMEN_ONLY")
    return Host(_names(os.environ.get("FULMEN_DISABLE", "")), None if only is None else _names(only))


def load_target(target: str, owner: str) -> Any:
    """Import ``"package.module:attribute"`` and return the attribute.

    Args:
        target: The import string of a component or command.
        owner: Who offers it, for the error: ``"callback 'wot' of plugin 'zero_space_ecc'"``.

    Raises:
        PluginError: it cannot be imported; names the cause.
    """
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise PluginError(
            f"{owner} cannot be imported: {one_line(error)}; mend or update the plugin, or leave it out."
        ) from error
    try:
        return functools.reduce(getattr, attribute.split("."), module)
    except AttributeError:
        raise PluginError(
            f"{owner} does not exist: {module_name} has no {attribute!r}; mend or update the plugin."
        ) from None


def one_line(error: BaseException) -> str:
    """Return an exception as ``Type: first line of its message``."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _installed_plugins() -> list[Plugin]:
    """Read the entry points of all distributions; two claims to one name break both."""
    claims: dict[str, list[Plugin]] = {}
    seen: set[str] = set()
    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt")
        if text is None or f"[{PROJECT}]" not in text:
            continue
        name = distribution.metadata["Name"]
        if name.lower() in seen:  # the same distribution twice on the path: the first is imported
            continue
        seen.add(name.lower())
        for entry in distribution.entry_points:
            if entry.group == PROJECT:
                plugin = Plugin(entry.name, name, distribution.version, entry.value)
                claims.setdefault(entry.name, []).append(plugin)
    return [_settle(claimants) for _, claimants in sorted(claims.items())]


def _settle(claimants: list[Plugin]) -> Plugin:
    first, *others = claimants
    if others:
        owners = " and ".join(f"{p.distribution} {p.version} ({p.value})" for p in claimants)
        first.distribution = ", ".join(p.distribution for p in claimants)
        first.version = ", ".join(p.version for p in claimants)
        first.value = ", ".join(p.value for p in claimants)
        first.break_down(f"the name {first.name!r} is claimed by {owners}; uninstall one of them")
    return first


def _import_plugin(plugin: Plugin) -> types.ModuleType:
    module_name, _, attribute = plugin.value.partition(":")
    module = importlib.import_module(module_name.strip())
    if attribute:
        raise _Fault(
            f"its entry point must name a module, got {plugin.value!r}; drop the ':{attribute.strip()}'"
        )
    version = getattr(module, "FULMEN_API", 1)
    if version != API_VERSION:
        newer = isinstance(version, int) and version > API_VERSION
        remedy = "upgrade fulmen" if newer else f"upgrade {plugin.distribution}"
        raise _Fault(f"written for contract version {version!r}, this fulmen speaks {API_VERSION}; {remedy}")
    return module


def _check_names(plugin: Plugin) -> None:
    seen: set[tuple[str, str]] = set()
    for component in plugin.components:
        if not component.name.isidentifier():
            raise _Fault(f"component name {component.name!r} must be an identifier without dots")
        if component.target.count(":") != 1:
            raise _Fault(f"component {component.name!r}: target {component.target!r} must be 'module:Class'")
        if (component.kind, component.name) in seen:
            raise _Fault(f"offers two components named {component.name!r} of the kind {component.kind!r}")
        seen.add((component.kind, component.name))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def reset() -> None:
    """Forget the host, so that the next use looks again (tests; after an installation)."""
    host.cache_clear()
    importlib.invalidate_caches()
