"""What a plugin owes its users as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fulmen.hookspecs import Component
from fulmen.host import host
from fulmen.installed import Plugin
from fulmen.names import extra_is_installed
from fulmen.targets import load_target
from fulmen.testing.options import undescribed_options

HEAVY = ("torch", "lightning", "numpy", "pandas", "scipy", "matplotlib", "jsonargparse")

_LIST = f"""
import sys
from fulmen.__main__ import main
status = main(["plugins", "--json"])
print(*sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
sys.exit(status)
"""


class PluginConformance:
    """Tests of a plugin; derive from it and name the ``plugin`` by its entry point."""

    plugin: str

    @property
    def installed(self) -> Plugin:
        """The plugin as the host has loaded it."""
        plugin = host().plugins.get(self.plugin)
        if plugin is None:
            pytest.fail(f"no plugin {self.plugin!r} is installed: pip install it first", pytrace=False)
        return plugin

    def test_fulmen_plugins_lists_it_as_ok(self) -> None:
        """It loads, and all that it names is there."""
        record, _ = self._listed()

        assert (record["state"], record["cause"]) == ("ok", None)

    def test_listing_it_imports_nothing_heavy(self) -> None:
        """``fulmen plugins`` stays quick: ``plugin.py`` holds names, no classes."""
        _, heavy = self._listed()

        assert heavy == []

    def test_each_component_is_of_its_kind(self) -> None:
        """Each class can be imported and derives from the base of its kind."""
        wrong = []
        for component, cls in self._classes():
            base = load_target(host().kinds[component.kind].base, f"the kind {component.kind}")
            if not issubclass(cls, base):
                wrong.append(f"{component.kind} {component.name}: {cls} is no {base}")
        assert wrong == []

    def test_each_component_has_a_summary(self) -> None:
        """``fulmen plugins`` can say in a line what each is."""
        assert [c.name for c in self.installed.components if not c.summary.strip() or "\n" in c.summary] == []

    def test_each_option_has_a_type_and_a_line_of_documentation(self) -> None:
        """Each option explains itself in ``--help``; the options of commands likewise."""
        targets = [(f"{component.kind} {component.name}", cls) for component, cls in self._classes()]
        for command in self.installed.commands:
            targets.append((f"command {command.name}", load_target(command.target, command.name)))
        missing = {owner: found for owner, target in targets if (found := undescribed_options(target))}
        assert missing == {}

    def _classes(self) -> Iterator[tuple[Component, Any]]:
        """Yield the components that can be imported here: those whose extra is installed."""
        plugin = self.installed
        for component in plugin.components:
            if component.extra is None or extra_is_installed(plugin.distribution, component.extra):
                yield component, load_target(component.target, f"{component.kind} {component.name!r}")

    def _listed(self) -> tuple[dict[str, Any], list[str]]:
        """Return what a fresh ``fulmen plugins --json`` says of it, and what heavy modules that imported."""
        path = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-c", _LIST],
            env={**os.environ, "FULMEN_ONLY": self.plugin, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        records = {record["name"]: record for record in json.loads(done.stdout)}
        return records[self.installed.name], done.stderr.split()
