"""A graph as a folder of `.npy` files, memory-mapped, so that the processes of a host share it.

indptr.npy, indices.npy                         topology
features.npy, labels.npy                        of the vertices
train_idx.npy, valid_idx.npy, test_idx.npy      splits
edge_weight.npy                                 may be absent
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.validation import require_valid

FILES = ("indptr", "indices", "features", "labels", "train_idx", "valid_idx", "test_idx")
OPTIONAL = "edge_weight"

Write = Callable[[Path, Callable[[IO[bytes]], object]], object]


def load_graph(path: str | Path, check_features: bool = True) -> Graph:
    """Map a graph folder into memory, read-only, and look at it closely.

    Args:
        path: The folder.
        check_features: Whether to look for NaN in the features, which reads all of them.

    Raises:
        GraphError: the folder is not there, a file is missing or damaged, or what they hold is no graph.
    """
    folder = Path(path)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "no such folder"
        raise GraphError(f"{folder}: {found}; expected a graph folder with {', '.join(FILES)} as .npy files")
    if missing := [f"{name}.npy" for name in FILES if not (folder / f"{name}.npy").exists()]:
        raise GraphError(
            f"{folder}: {', '.join(missing)} missing; expected a graph folder with each of its files"
        )
    arrays = {name: _map(folder / f"{name}.npy") for name in FILES}
    weights = folder / f"{OPTIONAL}.npy"
    graph = Graph(**arrays, edge_weight=_map(weights) if weights.exists() else None)
    require_valid(graph, str(folder), check_features)
    return graph


def save_graph(graph: Graph, path: str | Path, write: Write) -> None:
    """Write a graph folder.

    Args:
        graph: What to write.
        path: The folder.
        write: Writes one file, given its path and what fills the open file: ``fulmen.write_artifact``.

    Raises:
        GraphError: it is not valid; nothing is written.
    """
    require_valid(graph, f"graph for {path}")
    for name in (*FILES, OPTIONAL):
        if (array := getattr(graph, name)) is not None:
            write(Path(path) / f"{name}.npy", partial(np.save, arr=array))


def _map(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        # An array without elements cannot be mapped, but costs nothing to read.
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError):
            reason = str(error).splitlines()[0]
            raise GraphError(
                f"{path}: not a whole .npy file of numbers ({reason}); write it again with numpy.save"
            ) from None
        if array.size:
            raise
    if not isinstance(array, np.ndarray):
        raise GraphError(f"{path}: an .npz archive; expected one array, as numpy.save writes it")
    return array
