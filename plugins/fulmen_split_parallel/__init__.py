"""Split-parallel training of graph neural networks, after GSplit (arXiv 2303.13775), and a sampler.

Each mini-batch is split over the ranks by a partition of the vertices: every vertex is sampled, loaded and
computed once, at its owner, and hidden rows cross ranks by one all-to-all a layer.

Algorithms, which know neither Lightning nor fulmen, each folder above those that it imports:

cooperative/   one mini-batch sampled, loaded and computed by several ranks
planning/      what data and split parallelism would cost, without training
networks/      networks that are written once for one process, `ddp` and `split_parallel`
partition/     which rank owns which vertex
sampling/      mini-batches of a graph, the same for any number of ranks and threads
graph/         a graph, its folder on disk, and generators

loading.py     loaders of mini-batches, in one process and in data parallel
transfer.py    to a GPU while the one before is computed
divided_graph.py   the whole graph over data-parallel ranks, for inference
graph_cache.py     graphs that had to be made, kept as folders

Adapters: graph_data.py (`graph`), strategy.py (`split_parallel`), models.py (`sage`, `gat`), analyzer.py
(`redundancy`, with redundancy_pieces.py and redundancy_charts.py), commands.py; plugin.py names them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_split_parallel.graph.debian import DebianPackages as DebianPackages
    from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM as DegreeCorrectedSBM
    from fulmen_split_parallel.graph.graph import Graph as Graph
    from fulmen_split_parallel.graph.ogb import OGBNodes as OGBNodes
    from fulmen_split_parallel.graph.pyg import PyGGraph as PyGGraph
    from fulmen_split_parallel.graph.recursive_matrix import RecursiveMatrix as RecursiveMatrix
    from fulmen_split_parallel.graph_data import GraphData as GraphData

_MODULES = {
    "DebianPackages": "graph.debian",
    "DegreeCorrectedSBM": "graph.degree_corrected",
    "Graph": "graph.graph",
    "GraphData": "graph_data",
    "OGBNodes": "graph.ogb",
    "PyGGraph": "graph.pyg",
    "RecursiveMatrix": "graph.recursive_matrix",
}
__all__ = [
    "DebianPackages",
    "DegreeCorrectedSBM",
    "Graph",
    "GraphData",
    "OGBNodes",
    "PyGGraph",
    "RecursiveMatrix",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
