"""``fulmen plugins``: what is installed, for people and for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path
from typing import Any

from fulmen.errors import ConfigError
from fulmen.hookspecs import Component
from fulmen.host import Plugin, host
from fulmen.names import extra_is_installed

USAGE = """\
usage: fulmen plugins [--json]

List the installed plugins: distribution, version, state, and the components that each offers.
--json gives the same and the files for programs.
"""


def run(argv: Sequence[str]) -> int:
    """Print the plugins; return the exit status."""
    if set(argv) & {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return 0
    if unknown := [word for word in argv if word != "--json"]:
        raise ConfigError(f"plugins: no option {unknown[0]!r}; it takes --json.")
    records = [describe(plugin) for plugin in host().plugins.values()]
    sys.stdout.write(json.dumps(records, indent=2) + "\n" if argv else _table(records))
    return 0


def describe(plugin: Plugin) -> dict[str, Any]:
    """Return what is known of a plugin as plain data."""
    components = [_component(plugin, component) for component in plugin.components]
    faults = [f"{c['kind']} {c['name']!r}: {c['problem']}" for c in components if c["problem"]]
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "file": plugin.file,
        "state": "broken" if faults and plugin.state == "ok" else plugin.state,
        "cause": plugin.cause or ("; ".join(faults) or None),
        "kinds": [{"name": kind.name, "base": kind.base, "summary": kind.summary} for kind in plugin.kinds],
        "commands": [{"name": c.name, "target": c.target, "summary": c.summary} for c in plugin.commands],
        "components": components,
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
        "problem": _problem(component),
    }


def _problem(component: Component) -> str | None:
    """Look for a component's class in the text of its module, which is not imported for that."""
    module, _, name = component.target.partition(":")
    file = _file_of(module)
    if file is None:
        return f"there is no module {module}"
    if file.suffix == ".py":
        pattern = (
            rf"^(?:class|def|async def)\s+{name}\b|^{name}\s*[:=]|\bimport\b[^\n]*\b{name}\b|[\"']{name}[\"']"
        )
        if not re.search(pattern, file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
            return f"{module} has no {name!r}"
    return None


def _file_of(module: str) -> Path | None:
    root, *rest = module.split(".")
    try:
        spec = util.find_spec(root)  # of the root alone: that imports nothing
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    base = Path(next(iter(spec.submodule_search_locations or [""]))).joinpath(*rest)
    suffixes = (".py", *_extension_suffixes())
    candidates = [base.with_name(base.name + suffix) for suffix in suffixes] + [base / "__init__.py"]
    return next((path for path in candidates if path.exists()), None)


def _extension_suffixes() -> list[str]:
    from importlib.machinery import EXTENSION_SUFFIXES

    return list(EXTENSION_SUFFIXES)


def _table(records: Sequence[dict[str, Any]]) -> str:
    if not records:
        return "No plugins are installed.\n"
    return "\n".join(line for record in records for line in _lines(record)) + "\n"


def _lines(record: dict[str, Any]) -> Iterator[str]:
    state = "" if record["state"] == "ok" else f"  [{record['state']}] {record['cause']}"
    yield f"{record['name']}  ({record['distribution']} {record['version']}){state}"
    for kind in record["kinds"]:
        yield f"  opens the kind   {kind['name']:<22} {kind['summary']}"
    for component in record["components"]:
        needs = "" if component["extra_installed"] else f"  [needs the extra {component['extra']!r}]"
        yield f"  {component['kind']:<16} {component['name']:<22} {component['summary']}{needs}"
    for command in record["commands"]:
        yield f"  {'command':<16} {command['name']:<22} {command['summary']}"
