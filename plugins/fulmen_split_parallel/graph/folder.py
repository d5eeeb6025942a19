"""A graph as a folder of `.npy` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fulmen_split_parallel.graph.graph import Graph

FILES = ("indptr", "indices", "features", "labels", "train_idx", "valid_idx", "test_idx")


def load_graph(path: str | Path) -> Graph:
    """Map a graph folder into memory, read-only."""
    folder = Path(path)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FILES}
    weights = folder / "edge_weight.npy"
    return Graph(**arrays, edge_weight=np.load(weights, mmap_mode="r") if weights.exists() else None)


def save_graph(
    graph: Graph, path: str | Path, write: Callable[[Path, Callable[[BinaryIO], None]], object]
) -> None:
    """Write a graph folder.

    Args:
        graph: What to write.
        path: The folder.
        write: Writes one file, given its path and what fills the open file: ``fulmen.write_artifact``.
    """
    folder = Path(path)
    arrays = {name: getattr(graph, name) for name in FILES}
    if graph.edge_weight is not None:
        arrays["edge_weight"] = graph.edge_weight
    for name, array in arrays.items():
        write(folder / f"{name}.npy", lambda file, array=array: np.save(file, array))
