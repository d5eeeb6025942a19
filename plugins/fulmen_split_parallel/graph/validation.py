"""Is a graph what it says it is? Every question is asked before any work, and answered by one line."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph

SPLITS = ("train_idx", "valid_idx", "test_idx")
_TYPES = {
    "indptr": ("int64",),
    "indices": ("int32", "int64"),
    "features": ("float16", "float32"),
    "labels": ("int64",),
    **dict.fromkeys(SPLITS, ("int64",)),
    "edge_weight": ("float32",),
}
_CHUNK = 1 << 22  # values looked at together: a mapped array need not fit in memory


def require_valid(graph: Graph, where: str = "graph", features: bool = True) -> None:
    """Refuse a graph that would fail later, or worse, would not.

    Several edges between the same two vertices are allowed, and so are vertices without any.

    Args:
        graph: What to look at.
        where: What the message calls it: a folder, say.
        features: Whether to look for NaN in the features, which reads all of them.

    Raises:
        GraphError: the first thing that is wrong.
    """
    _require_types(graph, where)
    _require_topology(graph, where)
    _require_features(graph, where, features)
    _require_labels(graph, where)
    _require_splits(graph, where)
    if graph.edge_weight is not None:
        _require_length("edge_weight", graph.edge_weight, graph.num_edges, "edges", where)
        _require_finite("edge_weight", graph.edge_weight, where)
        # Weighted means, attention and degrees divide by sums of them.
        if (wrong := np.flatnonzero(graph.edge_weight < 0)).size:
            raise GraphError(
                f"{where}: edge_weight[{wrong[0]}] is {graph.edge_weight[wrong[0]]:g}; expected 0 or more"
            )


def unlabelled(split: str, vertices: NDArray[np.int64]) -> str:
    """Say which vertices of a split have no label: the first, and how many more."""
    others = f", nor have {len(vertices) - 1} more" if len(vertices) > 1 else ""
    return f"vertex {vertices[0]} of {split} has no label (-1){others}"


def _require_types(graph: Graph, where: str) -> None:
    for name, types in _TYPES.items():
        array = getattr(graph, name)
        if name == "edge_weight" and array is None:
            continue
        dimensions = 2 if name == "features" else 1
        if array.ndim != dimensions:
            raise GraphError(
                f"{where}: {name} has shape {array.shape}; expected {dimensions} "
                f"dimension{'s' if dimensions > 1 else ''}"
            )
        # Compared as they are stored: a big-endian int64 is not what compiled code reads.
        if not any(array.dtype == np.dtype(kind) for kind in types):
            is_mask = array.dtype == np.dtype(bool)
            remedy = "numpy.flatnonzero(mask)" if is_mask else f"array.astype('{types[-1]}')"
            raise GraphError(
                f"{where}: {name} has dtype {array.dtype}; expected {' or '.join(types)}. Convert it with "
                + remedy
            )
        if not array.flags.c_contiguous:
            raise GraphError(
                f"{where}: {name} is not contiguous, row by row; save numpy.ascontiguousarray of it"
            )


def _require_topology(graph: Graph, where: str) -> None:
    indptr, indices = graph.indptr, graph.indices
    if len(indptr) < 2:
        raise GraphError(
            f"{where}: indptr holds {len(indptr)} numbers; expected one more than vertices, 2 at least"
        )
    if indptr[0] != 0:
        raise GraphError(f"{where}: indptr starts with {indptr[0]}; expected 0")
    if (falls := np.flatnonzero(np.diff(indptr) < 0)).size:
        vertex = falls[0]
        raise GraphError(
            f"{where}: indptr falls from {indptr[vertex]} to {indptr[vertex + 1]} at vertex {vertex}; "
            "expected numbers that never fall"
        )
    if indptr[-1] != len(indices):
        raise GraphError(
            f"{where}: indptr ends with {indptr[-1]}, but indices holds {len(indices)} edges; expected the "
            "same number"
        )
    _require_vertices("indices", indices, graph.num_vertices, where)


def _require_features(graph: Graph, where: str, scan: bool) -> None:
    _require_length("features", graph.features, graph.num_vertices, "vertices", where)
    if graph.features.shape[1] == 0:
        raise GraphError(f"{where}: features have no columns; expected 1 at least")
    if scan:
        _require_finite("features", graph.features, where)


def _require_labels(graph: Graph, where: str) -> None:
    _require_length("labels", graph.labels, graph.num_vertices, "vertices", where)
    if (wrong := np.flatnonzero(graph.labels < -1)).size:
        raise GraphError(
            f"{where}: vertex {wrong[0]} has label {graph.labels[wrong[0]]}; expected 0 or more, or -1 where "
            "unknown"
        )


def _require_splits(graph: Graph, where: str) -> None:
    used: dict[str, NDArray[np.bool_]] = {}
    for name in SPLITS:
        vertices = getattr(graph, name)
        _require_vertices(name, vertices, graph.num_vertices, where)
        counts = np.bincount(vertices, minlength=graph.num_vertices)
        if (twice := np.flatnonzero(counts > 1)).size:
            raise GraphError(
                f"{where}: {name} names vertex {twice[0]} {counts[twice[0]]} times; expected once at most"
            )
        used[name] = counts > 0
        # Labels of test vertices may be hidden: to predict them needs none.
        if name != "test_idx" and (unknown := np.flatnonzero(graph.labels[vertices] < 0)).size:
            raise GraphError(f"{where}: {unlabelled(name, vertices[unknown])}; expected a label for each")
    for one, other in combinations(SPLITS, 2):
        if (both := np.flatnonzero(used[one] & used[other])).size:
            raise GraphError(
                f"{where}: {one} and {other} share {len(both)} vertices, such as {both[0]}; expected none"
            )


def _require_length(name: str, array: NDArray[Any], expected: int, of: str, where: str) -> None:
    if len(array) != expected:
        raise GraphError(
            f"{where}: {name} holds {len(array)} rows for {expected} {of}; expected one for each"
        )


def _require_vertices(name: str, vertices: NDArray[Any], total: int, where: str) -> None:
    for start in range(0, len(vertices), _CHUNK):
        chunk = vertices[start : start + _CHUNK]
        if chunk.min() < 0 or chunk.max() >= total:
            place = int(np.flatnonzero((chunk < 0) | (chunk >= total))[0])
            raise GraphError(
                f"{where}: {name}[{start + place}] is {chunk[place]}; expected a vertex, 0 to {total - 1}"
            )


def _require_finite(name: str, array: NDArray[Any], where: str) -> None:
    rows = max(1, _CHUNK // max(1, array[0].size)) if len(array) else 1
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows]
        # A sum is finite only if all that is summed is: one pass without a mask, for the usual case.
        if not np.isfinite(chunk.sum(dtype=np.float64)):
            row = start + int(np.argwhere(~np.isfinite(chunk))[0][0])
            raise GraphError(f"{where}: {name}[{row}] is not finite (NaN or infinity); expected numbers")
