"""Takes a command line apart, without a look at any file: the front door needs no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fulmen.errors import ConfigError

CONFIG_OPTIONS = ("-c", "--config")


@dataclass
class CommandLine:
    """A command line in its parts.

    Attributes:
        verb: The first word that is no option, or None.
        position: Where the verb stands; with no verb, the number of words.
        before: Options that stand before the verb, files left out.
        files: The config files, in order.
        after: What follows the verb, files left out, in order.
    """

    verb: str | None = None
    position: int = 0
    before: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def split(argv: Sequence[str]) -> CommandLine:
    """Take a command line apart. Raises ConfigError where ``--config`` has no value."""
    line = CommandLine(position=len(argv))
    words = iter(enumerate(argv))
    for position, word in words:
        option, equals, value = word.partition("=")
        if option in CONFIG_OPTIONS:
            _, file = (position, value) if equals else next(words, (position, ""))
            if not file:
                raise ConfigError(f"{option}: the name of a YAML file is expected after it.")
            line.files.append(file)
        elif line.verb is not None:
            line.after.append(word)
        elif word.startswith("-"):
            line.before.append(word)
        else:
            line.verb, line.position = word, position
    return line


def given_value(argv: Sequence[str], option: str) -> str | None:
    """Return the last value of ``--option VALUE`` or ``--option=VALUE`` on a command line."""
    found = None
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else next(iter(argv[position + 1 : position + 2]), None)
    return found


def without(argv: Sequence[str], option: str) -> list[str]:
    """Return a command line without ``--option VALUE`` and ``--option=VALUE``."""
    words = iter(argv)
    rest: list[str] = []
    for word in words:
        name, equals, _ = word.partition("=")
        if name != option:
            rest.append(word)
        elif not equals:
            next(words, None)
    return rest


def after_verb(argv: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return a command line with words put right after its verb."""
    position = split(argv).position + 1
    return [*argv[:position], *words, *argv[position:]]
