"""The command line of ``fulmen new-plugin``: what is to be written, and whether it may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fulmen.errors import ConfigError
from fulmen.host import VERBS, host
from fulmen.installed import fold
from fulmen.names import near_matches
from fulmen.scaffold.examples import EXAMPLES

USAGE = f"""\
usage: fulmen new-plugin NAME [--kind KIND] [--folder FOLDER]

Write the distribution fulmen-NAME, a plugin that installs, passes its own tests and runs its example.

  NAME             lower-case letters, digits and '-'
  --kind KIND      the component that it begins with: {", ".join(EXAMPLES)} (default: callback)
  --folder FOLDER  where it is written (default: fulmen-NAME)
"""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


@dataclass(frozen=True)
class Request:
    """A plugin to be written.

    Attributes:
        name: ``my-plugin``: its distribution is fulmen-my-plugin.
        kind: The kind of its component.
        folder: Where it goes; not there yet, or empty.
    """

    name: str
    kind: str
    folder: Path

    @property
    def plugin(self) -> str:
        """The name of its entry point: ``my_plugin``."""
        return self.name.replace("-", "_")


def read(argv: Sequence[str]) -> Request:
    """Return what the arguments ask for.

    Raises:
        ConfigError: they cannot be followed; says why and what can.
    """
    values: dict[str, str] = {}
    for option, value in _pairs(argv):
        if option in values:
            raise ConfigError(f"new-plugin: {option} is given twice: {values[option]!r} and {value!r}.")
        values[option] = value
    if "NAME" not in values:
        raise ConfigError("new-plugin: NAME is missing; for example: fulmen new-plugin demo")
    name = _checked_name(values["NAME"])
    kind = _checked_kind(values.get("--kind", "callback"))
    return Request(name, kind, _checked_folder(Path(values.get("--folder", f"fulmen-{name}"))))


def _pairs(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield "NAME", word
        elif option not in {"--kind", "--folder"}:
            raise ConfigError(f"new-plugin: no option {option!r}; it takes --kind and --folder.")
        else:
            given = value if equals else next(words, "")
            if not given:
                raise ConfigError(f"new-plugin: {option}: a value is expected after it.")
            yield option, given


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith("fulmen"):
        near = (
            re.sub(r"[^a-z0-9]+", "-", name.lower()).removeprefix("fulmen").strip("-").lstrip("-0123456789")
        )
        hint = f"; {near!r} would do" if _NAME.fullmatch(near) else ""
        raise ConfigError(
            f"new-plugin: {name!r} cannot name a plugin: lower-case letters, digits and '-' are expected, "
            f"a letter first, without 'fulmen' before it{hint}."
        )
    if name in VERBS:
        raise ConfigError(f"new-plugin: {name!r} is a verb of fulmen; choose another name.")
    for plugin in host().plugins.values():
        if fold(name) == fold(plugin.name):
            raise ConfigError(
                f"new-plugin: a plugin {plugin.name!r} is installed already ({plugin.distribution} "
                f"{plugin.version}); choose another name."
            )
    return name.replace("_", "-")


def _checked_kind(kind: str) -> str:
    if kind not in EXAMPLES:
        near = near_matches(kind, EXAMPLES)
        hint = f"did you mean {near[0]!r}?" if near else f"it writes {', '.join(EXAMPLES)}."
        raise ConfigError(f"new-plugin: --kind: there is no template for {kind!r}; {hint}")
    return kind


def _checked_folder(folder: Path) -> Path:
    if folder.is_dir():
        if any(folder.iterdir()):
            raise ConfigError(f"new-plugin: {folder} is not empty; choose another --folder.")
        if folder.samefile(Path.cwd()):  # it is replaced, and a shell would stand in one that is gone
            raise ConfigError(f"new-plugin: {folder} is where you are; choose a --folder that is not there.")
    elif folder.exists() or folder.is_symlink():
        raise ConfigError(f"new-plugin: {folder} is not a folder; choose another --folder.")
    return folder
