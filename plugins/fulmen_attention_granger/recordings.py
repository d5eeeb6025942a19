"""What every part of this plugin works on: some variables, recorded together, once or several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


class RecordingError(ValueError):
    """A recording is not what it should be: one line with what was found, expected, and the remedy."""

    def __init__(self, message: str) -> None:
        # Names inside a hostile file may hold line breaks and terminal codes.
        super().__init__("".join(c if c.isprintable() else "?" for c in message))


@dataclass(frozen=True)
class Recordings:
    """Series of the same variables, and the truth about who drives whom where it is known.

    Attributes:
        trials: Each float64, shape (time, variables), rows one ``interval`` apart, NaN where a value is
            missing. Trials may differ in length; nothing is said about the time between them.
        names: Of the variables, all different.
        graph: bool, shape (targets, sources), True where the source drives the target, diagonal False;
            None: not known.
        interval: Time between two rows, > 0, in whatever unit the source has.
        source: The file or the generator, for messages.
        truths: Further knowledge of a generator, each (targets, sources) bool unless its name says
            otherwise: ``graph_first_half``, ``graph_second_half``, ``confounded``, ``signs`` (float64).
    """

    trials: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    graph: np.ndarray | None = None
    interval: float = 1.0
    source: str = "recordings"
    truths: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def variables(self) -> int:
        """How many variables there are."""
        return len(self.names)

    @property
    def samples(self) -> int:
        """How many rows the trials have together."""
        return sum(len(trial) for trial in self.trials)

    @property
    def missing(self) -> float:
        """The share of values that are missing, 0 to 1."""
        return sum(int(np.isnan(trial).sum()) for trial in self.trials) / max(
            1, self.samples * self.variables
        )

    def choose(self, variables: Sequence[int]) -> Recordings:
        """Return the recordings of some variables alone, in the order given; the truths shrink with them."""
        chosen = np.asarray(variables, dtype=np.int64)
        pairs = np.ix_(chosen, chosen)
        return replace(
            self,
            trials=tuple(np.ascontiguousarray(trial[:, chosen]) for trial in self.trials),
            names=tuple(self.names[index] for index in chosen),
            graph=None if self.graph is None else self.graph[pairs],
            truths={name: truth[pairs] for name, truth in self.truths.items()},
        )


def default_names(variables: int) -> tuple[str, ...]:
    """Return ``x0``, ``x1``, ...: the names of variables that have none."""
    return tuple(f"x{index}" for index in range(variables))
