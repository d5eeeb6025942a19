"""Puts a command line into the order in which it is meant.

LightningCLI reads from left to right, so that a file after an option wins over it, and wants the
file of a verb after the verb. Here options win over files wherever they stand, and a file may stand
before or after the verb, with or without a block of the verb's name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from fulmen.config.command_line import after_verb as after_verb
from fulmen.config.command_line import given_value as given_value
from fulmen.config.command_line import split as split
from fulmen.config.command_line import without as without
from fulmen.config.documents import is_file_name, read_document
from fulmen.errors import ConfigError


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
