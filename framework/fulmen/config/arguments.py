"""Puts a command line into the order in which it is meant.

LightningCLI reads from left to right, so that a file after an option wins over it, and wants the
file of a verb after the verb. Here options win over files wherever they stand, and a file may stand
before or after the verb, with or without a block of the verb's name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from fulmen.config.documents import is_file_name, read_document
from fulmen.errors import ConfigError

CONFIG_OPTIONS = ("-c", "--config")


@dataclass
class CommandLine:
    """A command line in its parts.

    Attributes:
        verb: The first word that is no option, or None.
        before: Options that stand before the verb, files left out.
        files: The config files, in order.
        after: What follows the verb, files left out, in order.
    """

    verb: str | None = None
    before: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def split(argv: Sequence[str]) -> CommandLine:
    """Take a command line apart. Raises ConfigError where ``--config`` has no value."""
    line = CommandLine()
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if option in CONFIG_OPTIONS:
            file = value if equals else next(words, None)
            if file is None:
                raise ConfigError(f"{option}: the name of a YAML file is expected after it.")
            line.files.append(file)
        elif line.verb is not None:
            line.after.append(word)
        elif word.startswith("-"):
            line.before.append(word)
        else:
            line.verb = word
    return line


def arrange(argv: Sequence[str], verbs: Collection[str]) -> list[str]:
    """Return the command line as LightningCLI takes it: files first, each where its keys belong.

    Args:
        argv: The arguments, without the program's name.
        verbs: The verbs that have a parser.

    Raises:
        ConfigError: a file is not what it should be, or mixes blocks of verbs with other keys.
    """
    line = split(argv)
    root: list[str] = []
    own: list[str] = []
    for file in line.files:
        place = own if line.verb is None or not is_file_name(file) or not _has_blocks(file, verbs) else root
        place += ["--config", file]
    if line.verb is None:
        return [*own, *root, *line.before]
    return [*root, *line.before, line.verb, *own, *line.after]


def given_value(argv: Sequence[str], option: str) -> str | None:
    """Return the last value of ``--option VALUE`` or ``--option=VALUE`` on a command line."""
    found = None
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else next(iter(argv[position + 1 : position + 2]), None)
    return found


def after_verb(argv: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return a command line with words put right after its verb."""
    position = list(argv).index(split(argv).verb or "") + 1
    return [*argv[:position], *words, *argv[position:]]


def documents_of(argv: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the config files of a command line hold, blocks of the verb unwrapped."""
    line = split(argv)
    documents = [read_document(file) for file in line.files if is_file_name(file)]
    blocks = [document.get(line.verb or "") for document in documents]
    return [
        block if isinstance(block, dict) else document
        for block, document in zip(blocks, documents, strict=True)
    ]


def _has_blocks(file: str, verbs: Collection[str]) -> bool:
    """Whether a file holds a block per verb (``fit: {...}``) rather than the keys of one verb."""
    document: dict[str, Any] = read_document(file)
    blocks = [key for key in document if key in verbs and isinstance(document[key], dict | type(None))]
    others = [key for key in document if key not in blocks]
    if blocks and others:
        raise ConfigError(
            f"{file}: has the block {blocks[0]!r} of a verb beside the key {others[0]!r}; "
            f"move {others[0]!r} into the block."
        )
    return bool(blocks)
