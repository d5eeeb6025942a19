"""What every sampler does."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.sampling.block import Block


class Sampler(Protocol):
    """Draws in-edges of vertices, one layer at a time.

    What is drawn for a vertex depends on (seed, epoch, step, layer, vertex) alone, never on who asks, on
    what is asked beside it, or on the number of threads: ranks that share the vertices of a mini-batch
    draw together what one process would have drawn.
    """

    graph: Graph

    def sample(
        self, destinations: NDArray[np.int64], fanout: int, *, seed: int, epoch: int, step: int, layer: int
    ) -> Block:
        """Draw in-edges of `destinations`, int64 (D,), each vertex once.

        Args:
            destinations: The vertices, in the order that the block keeps.
            fanout: How many in-edges of each; -1 takes all.
            seed: Of the run.
            epoch: Counted from 0.
            step: The global mini-batch's number within the epoch.
            layer: 0 at the seeds, 1 below them, and so on.
        """
        ...
