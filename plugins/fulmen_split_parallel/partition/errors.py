"""The one error of this folder."""

from __future__ import annotations


class PartitionError(ValueError):
    """What cannot be partitioned, or a partition that does not fit: one line that says how to mend it."""
