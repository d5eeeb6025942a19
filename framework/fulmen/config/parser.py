"""The parser of FulmenCLI: Lightning's, with checked files, one-line errors and names in the help."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from jsonargparse._actions import ActionConfigFile
from lightning.pytorch.cli import LightningArgumentParser

from fulmen.config import messages, short_names
from fulmen.config.documents import is_file_name, read_document
from fulmen.config.parse_log import parse_log
from fulmen.errors import ConfigError
from fulmen.host import host
from fulmen.names import names_of_kind


class CheckedConfigFile(ActionConfigFile):
    """``--config``: looks at a file before jsonargparse parses it."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Check the file, then do as jsonargparse does."""
        if isinstance(values, str) and is_file_name(values) and "://" not in values:
            try:
                parse_log.files[values] = read_document(values)
            except ConfigError as error:
                parser.error(str(error))
        super().__call__(parser, cfg, values, option_string)  # type: ignore[no-untyped-call]


class RunnerParser(LightningArgumentParser):
    """Lightning's parser, with errors in one line.

    ``FULMEN_DEBUG=1`` shows what jsonargparse said in full.
    """

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say in one line what is wrong and exit with status 2."""
        if not self.exit_on_error or callable(self._error_handler) or os.environ.get("FULMEN_DEBUG") == "1":
            super().error(message, ex)
        culprit = getattr(ex, "subcommand_parser", None) or self
        sys.stderr.write(f"error: {messages.shorten(message, culprit, parse_log)}\n")
        self.exit(2)

    def format_help(self, *args: Any) -> str:
        """Return the help, with the names of the components that may be written."""
        return super().format_help(*args) + _names_help(self)


def _names_help(parser: LightningArgumentParser) -> str:
    """List the short names of the kinds that this parser takes."""
    kinds: list[str] = []
    for action in parser._actions:
        typehint = getattr(action, "_typehint", None)
        kind = short_names.kind_of(typehint) if isinstance(typehint, type) else None
        if kind and kind not in kinds:
            kinds.append(kind)
    if any(action.dest == "trainer.callbacks" for action in parser._actions):
        kinds += ["callback", "strategy"]
    lines = [f"  {kind}: {', '.join(found)}" for kind in kinds if (found := names_of_kind(host(), kind))]
    return (
        "\nnames of installed components (`fulmen plugins` says more):\n" + "\n".join(lines) + "\n"
        if lines
        else ""
    )
