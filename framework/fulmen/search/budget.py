"""How long a search goes on."""

from __future__ import annotations

from dataclasses import dataclass

from fulmen.errors import ConfigError


@dataclass(frozen=True)
class Budget:
    """When a search ends; whatever comes first. Neither is a part of what the search is: it can be extended.

    Args:
        evaluations: Candidates to evaluate, failures too; None for no limit.
        minutes: Minutes of work, over all its runs, the final trainings not counted; None for no limit.

    Raises:
        ConfigError: a number makes no sense.
    """

    evaluations: int | None = 100
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations is not None and self.evaluations < 1:
            raise ConfigError(f"budget: evaluations: expected 1 or more, got {self.evaluations}.")
        if self.minutes is not None and not self.minutes > 0:
            raise ConfigError(f"budget: minutes: expected a number above 0, got {self.minutes}.")

    def room(self, asked: int) -> bool:
        """Whether one more may be asked for after so many."""
        return self.evaluations is None or asked < self.evaluations

    def seconds_left(self, spent: float) -> float:
        """Return the seconds that are left after so many."""
        return float("inf") if self.minutes is None else 60.0 * self.minutes - spent
