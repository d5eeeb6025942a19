"""Options inside their ranges, or one line that says which is not."""

from __future__ import annotations

from fulmen.errors import ConfigError


def require(owner: str, **options: tuple[float | None, float | None, float | None]) -> None:
    """Refuse an option outside of its range.

    Args:
        owner: Whose options they are, for the message.
        options: Each (value, least or None, most or None); a value that is None is left to be chosen.

    Raises:
        ConfigError: names the first such option.
    """
    for name, (value, least, most) in options.items():
        if value is None:
            continue
        if (least is not None and value < least) or (most is not None and value > most) or value != value:
            expected = " to ".join(f"{bound:g}" for bound in (least, most) if bound is not None)
            expected += " or more" if most is None else " or less" if least is None else ""
            raise ConfigError(f"{owner}: {name} is {value}; expected {expected}: change it.")
