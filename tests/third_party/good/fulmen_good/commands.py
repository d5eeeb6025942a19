"""The plugin's commands."""

import fulmen


def greet(name: str, times: int = 1) -> int:
    """Greet somebody.

    Args:
        name: Who is greeted.
        times: How often.
    """
    print(f"hello {name}\n" * times, end="")
    return 0


def refuse(value: int) -> None:
    """Refuse a value.

    Args:
        value: What is refused.
    """
    raise fulmen.UserError(f"value {value} is refused; give another.")
