"""The one error of this folder."""

from __future__ import annotations


class PartitionError(ValueError):
    """Something cannot be partitioned, or a partition does not fit: one line with what, found, expected, remedy."""
