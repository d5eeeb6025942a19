"""What a test of who drives whom returns, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OpponentResult:
    """Scores of all pairs, or the word that there was no time for them.

    Attributes:
        method: Its name in the catalog.
        test: The test of a pair, in words, and what it conditions on.
        score: float64, shape (targets, sources), larger for likelier edges, diagonal 0; None: not finished.
        p_values: The same shape, 0 to 1, diagonal 1; None where the method has none, or did not finish.
        seconds: CPU time of the computation, imports left out.
        lags: How many lags it looked at; 0 where it did not finish.
        note: What a reader of the table should know: "not finished in 60 s", the lags it chose; or "".
    """

    method: str
    test: str
    score: np.ndarray | None
    p_values: np.ndarray | None
    seconds: float
    lags: int
    note: str = ""

    @property
    def finished(self) -> bool:
        """Whether there are scores."""
        return self.score is not None
