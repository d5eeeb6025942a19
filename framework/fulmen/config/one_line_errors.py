"""What makes a parser say in one line what is wrong."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from fulmen import exits
from fulmen.config import messages
from fulmen.config.parse_log import parse_log
from fulmen.errors import ConfigError, FulmenError


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
        """Build the objects; what a component refuses is told in its own words, which jsonargparse wraps.

        It refuses by an error of fulmen's, or by one of its own that is a ValueError: a plugin's algorithms
        know nothing of fulmen. A bare ValueError may be a mistake in its code as well, and is shown in full.
        """
        try:
            return super().instantiate(*args, **kwargs)  # type: ignore[misc]
        except ValueError as error:
            cause: BaseException | None = error
            while cause is not None:
                if isinstance(cause, FulmenError):
                    raise cause from cause.__cause__  # which tells where it was raised
                if _is_of_a_component(cause):
                    raise ConfigError(str(cause)) from cause
                cause = cause.__cause__
            raise


def _is_of_a_component(error: BaseException) -> bool:
    """Say whether an error is of a class that a component's author made for what it refuses."""
    package = type(error).__module__.partition(".")[0]
    foreign = package not in {*sys.stdlib_module_names, "jsonargparse", "lightning", "torch"}
    return isinstance(error, ValueError) and foreign and "\n" not in str(error)
