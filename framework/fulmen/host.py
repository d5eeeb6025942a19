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
from typing import Any

import pluggy

from fulmen import __version__, hookspecs
from fulmen.hookspecs import API_VERSION, CORE_COMPONENTS, CORE_KINDS, PROJECT, Command, Component, Kind
from fulmen.installed import Plugin as Plugin
from fulmen.installed import fold, installed_plugins
from fulmen.targets import one_line

# What stands first on a command line is a verb: a plugin of that name could not be reached there.
VERBS = frozenset(
    {"fit", "validate", "test", "predict", "analyze", "search", "studies", "plugins", "new-plugin", "help"}
)

# Keys of a config that one verb alone takes.
VERB_OF = {
    **dict.fromkeys(("searcher", "objectives", "budget", "fidelity", "final"), "search"),
    "analyzer": "analyze",
}

# What the core itself offers, under the name of its distribution; it is no plugin, and cannot be disabled.
CORE = Plugin(
    "fulmen", "fulmen", __version__, "fulmen", kinds=list(CORE_KINDS), components=list(CORE_COMPONENTS)
)


class Host:
    """The plugins of this process.

    Args:
        disabled: Plugins that are not loaded: their names, or those of their distributions.
        only: If not None, the only plugins that are loaded.
    """

    def __init__(self, disabled: Iterable[str] = (), only: Iterable[str] | None = None) -> None:
        self.disabled = frozenset(map(fold, disabled))
        self.only = None if only is None else frozenset(map(fold, only))
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in CORE_KINDS}
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs.HookSpecs)
        self.plugins = {plugin.name: plugin for plugin in self._settle_claims(installed_plugins())}
        for plugin in self.plugins.values():
            if plugin.state == "ok":
                self._load(plugin)
        for plugin in self.plugins.values():
            self._open_kinds(plugin)
        for plugin in self.plugins.values():
            self._leave_out_unknown_kinds(plugin)

    @property
    def faults(self) -> list[str]:
        """One line per plugin with a fault, for the start of a run."""
        return [
            f"plugin {plugin.name!r} ({plugin.distribution} {plugin.version}) is broken: {'; '.join(faults)} "
            f"(--disable {plugin.name} silences this)"
            for plugin in self.plugins.values()
            if (faults := plugin.faults)
        ]

    def components(self, kind: str | None = None) -> Iterator[tuple[Plugin, Component]]:
        """Yield the usable components, of one kind or of all; the core's own come first."""
        for plugin in (CORE, *self.plugins.values()):
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
            except (Exception, SystemExit) as error:
                faults.append(f"plugin {implementation.plugin_name!r} raised in {hook}: {one_line(error)}")
        return faults

    def _settle_claims(self, found: Iterable[Plugin]) -> Iterator[Plugin]:
        """Yield one plugin per name, in the order of names; two claims to one name break both."""
        claims: dict[str, list[Plugin]] = {}
        for plugin in found:
            claims.setdefault(plugin.name, []).append(plugin)
        for _, claimants in sorted(claims.items()):
            for plugin in claimants:
                self._block(plugin)
            enabled = [plugin for plugin in claimants if plugin.state != "disabled"]
            yield _merge(enabled) if len(enabled) > 1 else (enabled or claimants)[0]

    def _block(self, plugin: Plugin) -> None:
        names = {fold(plugin.name), fold(plugin.distribution)}
        if names & self.disabled:
            plugin.state, plugin.cause = "disabled", "disabled by FULMEN_DISABLE or --disable"
        elif self.only is not None and not names & self.only:
            plugin.state, plugin.cause = "disabled", "not among FULMEN_ONLY"

    def _load(self, plugin: Plugin) -> None:
        try:
            module = _import_plugin(plugin)
            plugin.file = getattr(module, "__file__", None)
            self._register(plugin, module)
            plugin.kinds = self._collect("fulmen_kinds", plugin, Kind)
            plugin.components = self._collect("fulmen_components", plugin, Component)
            plugin.commands = self._collect("fulmen_commands", plugin, Command)
            _check_names(plugin)
        except (Exception, SystemExit) as error:
            self._break(plugin, error.cause if isinstance(error, _Fault) else one_line(error))

    def _break(self, plugin: Plugin, cause: str) -> None:
        plugin.break_down(cause)
        if self._manager.has_plugin(plugin.name):
            self._manager.unregister(name=plugin.name)

    def _register(self, plugin: Plugin, module: types.ModuleType) -> None:
        try:
            self._manager.register(module, name=plugin.name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise _Fault("; ".join(lines[1:]) if len(lines) > 1 else lines[0]) from error

    def _collect(self, hook: str, plugin: Plugin, record: type[Any]) -> list[Any]:
        """Call one plugin's hook alone: pluggy would drop everybody's answer when one raises."""
        found: list[Any] = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != plugin.name:
                continue
            try:
                answer = implementation.function()
            except (Exception, SystemExit) as error:
                raise _Fault(f"{hook}() raised {one_line(error)}") from error
            if not isinstance(answer, list | tuple) or not all(isinstance(item, record) for item in answer):
                raise _Fault(f"{hook}() must return a list of fulmen.{record.__name__}, got {answer!r:.80}")
            found.extend(answer)
        return found

    def _open_kinds(self, plugin: Plugin) -> None:
        for kind in plugin.kinds:
            for taken in self.kinds.values():
                if kind.name == taken.name or kind.base == taken.base:
                    self._break(
                        plugin,
                        f"opens the kind {kind.name!r} on {kind.base}; "
                        f"the kind {taken.name!r} on {taken.base} exists already",
                    )
                    return
        self.kinds.update({kind.name: kind for kind in plugin.kinds})

    def _leave_out_unknown_kinds(self, plugin: Plugin) -> None:
        for component in [c for c in plugin.components if c.kind not in self.kinds]:
            plugin.components.remove(component)
            plugin.left_out.append(
                f"component {component.name!r} is of the kind {component.kind!r}, which no plugin opens; "
                f"known kinds: {', '.join(sorted(self.kinds))}"
            )


class _Fault(Exception):  # noqa: N818
    """What is wrong with a plugin, in the words that `fulmen plugins` shows."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def host() -> Host:
    """Return the host for FULMEN_DISABLE and FULMEN_ONLY as they are; made on first use."""
    return _host(os.environ.get("FULMEN_DISABLE", ""), os.environ.get("FULMEN_ONLY"))


def reset() -> None:
    """Forget the host, so that the next use looks again (tests; after an installation)."""
    _host.cache_clear()
    importlib.invalidate_caches()


@functools.cache
def _host(disabled: str, only: str | None) -> Host:
    return Host(_names(disabled), None if only is None else _names(only))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _merge(claimants: list[Plugin]) -> Plugin:
    """Return one broken plugin for the several that claim a name."""
    name = claimants[0].name
    owners = " and ".join(f"{p.distribution} {p.version} ({p.value})" for p in claimants)
    together = Plugin(
        name,
        distribution=", ".join(p.distribution for p in claimants),
        version=", ".join(p.version for p in claimants),
        value=", ".join(p.value for p in claimants),
    )
    together.break_down(
        f"the name {name!r} is claimed by {owners}; uninstall one of them, or leave one out: "
        f"--disable {claimants[-1].distribution}"
    )
    return together


def _import_plugin(plugin: Plugin) -> types.ModuleType:
    if plugin.name in VERBS:
        raise _Fault(f"its name {plugin.name!r} is that of a verb; its entry point needs another")
    module_name, _, attribute = plugin.value.partition(":")
    if attribute:
        raise _Fault(
            f"its entry point must name a module, got {plugin.value!r}; drop the ':{attribute.strip()}'"
        )
    module = importlib.import_module(module_name.strip())
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
