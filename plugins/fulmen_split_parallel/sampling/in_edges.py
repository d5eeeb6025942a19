"""What samplers of in-edges have in common: the graph as compiled loops take it, and tools."""

from __future__ import annotations

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.sampling.edge_passes import read_only
from fulmen_split_parallel.sampling.relabelling import Relabelling, relabelling
from fulmen_split_parallel.sampling.threads import Threads


class InEdgeSampler:
    """The state of a sampler; how it draws is its own affair.

    Not for use by two threads at a time; each makes its own.

    Args:
        graph: What to sample.
        threads: How many draw; the sample does not depend on it.
        relabel: Gives rows to vertices; None chooses by the graph's size.
    """

    def __init__(self, graph: Graph, threads: int = 1, relabel: Relabelling | None = None) -> None:
        self.graph = graph
        self._indptr, self._indices = read_only(graph.indptr), read_only(graph.indices)
        self._threads = Threads(threads)
        self._relabelling = relabel or relabelling(graph.num_vertices)
