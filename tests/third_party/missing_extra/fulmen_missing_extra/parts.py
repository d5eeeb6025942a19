"""The callback that needs the extra."""

import fulmen_moon_dust  # noqa: F401
from lightning.pytorch.callbacks import Callback


class Part(Callback):
    """Does nothing."""
