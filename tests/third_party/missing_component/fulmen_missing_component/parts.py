"""Has a class, but not the one that plugin.py names."""

from lightning.pytorch.callbacks import Callback


class Somewhere(Callback):
    """Does nothing."""
