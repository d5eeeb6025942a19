"""What a network is refused with."""

from __future__ import annotations


class NetworkError(ValueError):
    """A network, or an option of one, cannot be used: one line with what, found, expected and remedy."""
