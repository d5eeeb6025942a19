"""The sum of what steps cost, over the ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNTED = ("edges", "input_rows", "shuffled_rows", "cache_hits")
STAGES = ("sample", "load", "exchange", "compute")


class StepCosts:
    """Adds up what the ranks counted in each step.

    Attributes:
        steps: How many were added.
        ranks: How many counted.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.ranks = 0
        self._totals: NDArray[np.float64] = np.zeros(len(COUNTED) + len(STAGES))
        self._imbalances: list[float] = []

    def add(self, numbers: NDArray[np.float64]) -> dict[str, float]:
        """Add one step.

        Args:
            numbers: (ranks, 8): edges, rows loaded, rows received from other ranks, rows that came from a
                rank's cache; seconds of sampling, loading, exchange and the rest.

        Returns:
            What to log: counts over all ranks, ``imbalance``, and seconds of the mean rank.
        """
        self.steps += 1
        self.ranks = len(numbers)
        counted, seconds = numbers[:, : len(COUNTED)].sum(0), numbers[:, len(COUNTED) :].mean(0)
        edges = numbers[:, 0]
        imbalance = float(edges.max() / edges.mean()) if edges.any() else 1.0
        self._totals += np.concatenate([counted, seconds])
        self._imbalances.append(imbalance)
        return {
            **dict(zip(COUNTED, counted.tolist(), strict=True)),
            "imbalance": imbalance,
            **{f"seconds_{stage}": spent for stage, spent in zip(STAGES, seconds.tolist(), strict=True)},
        }

    def table(self, transport: str = "none") -> str:
        """Return the mean step as a table.

        Args:
            transport: What rows went through; ``none``: they did not.
        """
        means = self._totals / self.steps
        edges, rows, moved, hits, *seconds = means.tolist()
        through = "" if transport == "none" else f", by {transport}"
        lines = [
            f"The mean of {self.steps} steps on {self.ranks} process{'es' * (self.ranks > 1)}:",
            f"  edges computed  {edges:>12,.0f}   busiest process {np.mean(self._imbalances):.2f} x the mean",
            f"  rows loaded     {rows:>12,.0f}" + (f"   {hits / rows:.0%} from the caches" if hits else ""),
            f"  rows exchanged  {moved:>12,.0f}   {moved / max(rows, 1):.2f} x the rows loaded{through}",
            *(
                f"  {stage:<14}  {1000 * spent:>12,.1f} ms"
                + ("   (while the step before computes)" if stage in ("sample", "load") else "")
                for stage, spent in zip(STAGES, seconds, strict=True)
            ),
        ]
        return "\n".join(lines)
