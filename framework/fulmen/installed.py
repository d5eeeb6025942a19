"""What is installed: one record per plugin, read from the metadata of the installed distributions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

from fulmen.hookspecs import PROJECT, Command, Component, Kind
from fulmen.targets import why_missing

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
        components: What it offers that can be used, and likewise ``kinds`` and ``commands``.
        left_out: A line for each component that cannot be used.
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
    left_out: list[str] = field(default_factory=list)

    def break_down(self, cause: str) -> None:
        """Mark the plugin as broken and take back what it offered."""
        self.state, self.cause = "broken", cause
        self.components, self.kinds, self.commands, self.left_out = [], [], [], []

    @property
    def faults(self) -> list[str]:
        """What is wrong with it, a line each: it is broken, or some of what it names is not there."""
        if self.state != "ok":
            return [self.cause or ""] if self.state == "broken" else []
        targets = [(f"{c.kind} {c.name!r}", c.target) for c in self.components]
        targets += [(f"command {c.name!r}", c.target) for c in self.commands]
        checked = [(named, why_missing(target)) for named, target in targets]
        return [*self.left_out, *(f"{named} does not exist: {why}" for named, why in checked if why)]


def installed_plugins() -> Iterator[Plugin]:
    """Yield a plugin per entry point of the group ``fulmen``, as it is before it is loaded."""
    seen: set[str] = set()
    for distribution in metadata.distributions():
        text = _entry_points_text(distribution)
        if f"[{PROJECT}]" not in text:
            continue
        name, version = _name_and_version(distribution)
        if fold(name) in seen:  # the same distribution twice on the path: the first is imported
            continue
        seen.add(fold(name))
        for entry in distribution.entry_points.select(group=PROJECT):
            yield Plugin(entry.name, name, version, entry.value)


def fold(name: str) -> str:
    """Return a name as it is compared: lower case, ``-`` = ``_``."""
    return name.lower().replace("-", "_")


def _entry_points_text(distribution: metadata.Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except (OSError, UnicodeDecodeError):
        return ""


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str]:
    """Read both; an installation that was cut short may lack them."""
    fields: Any = distribution.metadata or {}
    name, version = fields.get("Name"), fields.get("Version")
    return name or "unknown distribution", version or "unknown version"
