"""The one error of this folder."""

from __future__ import annotations


class PlanError(ValueError):
    """An option that makes no sense, or a rate that cannot be measured: one line that says how to mend it."""
