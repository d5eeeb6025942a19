"""``fulmen plugins``: what is installed, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from fulmen.errors import ConfigError
from fulmen.hookspecs import Component
from fulmen.host import CORE, host
from fulmen.installed import Plugin
from fulmen.names import extra_is_installed

USAGE = """\
usage: fulmen plugins [--json]

List what fulmen itself offers and the installed plugins: distribution, version, state, kinds and components.
--json gives the same and the files for programs.
"""


def run(argv: Sequence[str]) -> int:
    """Print the plugins; return the exit status."""
    if set(argv) & {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return 0
    if unknown := [word for word in argv if word != "--json"]:
        raise ConfigError(f"plugins: no option {unknown[0]!r}; it takes --json.")
    records = [describe(plugin) for plugin in (CORE, *host().plugins.values())]
    sys.stdout.write(json.dumps(records, indent=2) + "\n" if argv else _table(records))
    return 0


def describe(plugin: Plugin) -> dict[str, Any]:
    """Return what is known of a plugin as plain data."""
    faults = plugin.faults
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "file": plugin.file,
        "state": "broken" if faults else plugin.state,
        "cause": "; ".join(faults) or plugin.cause,
        "kinds": [{"name": kind.name, "base": kind.base, "summary": kind.summary} for kind in plugin.kinds],
        "commands": [{"name": c.name, "target": c.target, "summary": c.summary} for c in plugin.commands],
        "components": [_component(plugin, component) for component in plugin.components],
    }


def _component(plugin: Plugin, component: Component) -> dict[str, Any]:
    installed = component.extra is None or extra_is_installed(plugin.distribution, component.extra)
    return {
        "kind": component.kind,
        "name": component.name,
        "target": component.target,
        "summary": component.summary,
        "extra": component.extra,
        "extra_installed": installed,
    }


def _table(records: Sequence[dict[str, Any]]) -> str:
    return "\n".join(line for record in records for line in _lines(record)) + "\n"


def _lines(record: dict[str, Any]) -> Iterator[str]:
    state = "" if record["state"] == "ok" else f"  [{record['state']}] {record['cause']}"
    built_in = ", built in" if record["name"] == CORE.name else ""
    yield f"{record['name']}  ({record['distribution']} {record['version']}{built_in}){state}"
    for kind in record["kinds"]:
        yield f"  opens the kind   {kind['name']:<22} {kind['summary']}"
    for component in record["components"]:
        needs = "" if component["extra_installed"] else f"  [needs the extra {component['extra']!r}]"
        yield f"  {component['kind']:<16} {component['name']:<22} {component['summary']}{needs}"
    for command in record["commands"]:
        yield f"  {'command':<16} {command['name']:<22} {command['summary']}"
