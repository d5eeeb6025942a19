"""What makes a parser say in one line what is wrong."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from fulmen import exits
from fulmen.config import messages
from fulmen.config.parse_log import parse_log
from fulmen.errors import FulmenError


class OneLineErrors:
    """Put before a class of jsonargparse's; ``FULMEN_DEBUG=1`` shows what jsonargparse said in full."""

    def error(self: Any, message: str, ex: Exception | None = None) -> NoReturn:
        """Say in one line what is wrong and exit with status 2."""
        if not self.exit_on_error or callable(self._error_handler) or exits.debugging():
            super().error(message, ex)  # type: ignore[misc]
        culprit = getattr(ex, "subcommand_parser", None) or self
        sys.stderr.write(f"error: {messages.shorten(message, culprit, parse_log)}\n")
        self.exit(exits.REFUSED)
        raise AssertionError("unreachable: exit returned")

    def instantiate(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Build the objects; what a component refuses is told in its own words, which jsonargparse wraps."""
        try:
            return super().instantiate(*args, **kwargs)  # type: ignore[misc]
        except ValueError as error:
            cause: BaseException | None = error
            while cause is not None:
                if isinstance(cause, FulmenError):
                    raise cause from None
                cause = cause.__cause__
            raise
