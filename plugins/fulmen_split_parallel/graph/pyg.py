"""A graph that PyG holds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.topology import in_edges_by_vertex
from fulmen_split_parallel.graph.validation import require_valid

_MASKS = ("train_mask", "val_mask", "test_mask")


@dataclass(frozen=True, eq=False)
class PyGGraph(GraphSource):
    """A `torch_geometric.data.Data` with x, edge_index, y (integers) and the three masks (bools).

    Edges may come in any order, and more than once. `edge_weight` is taken along where there is one; `y`
    may hold -1 where a label is unknown.

    Args:
        data: The graph. Nothing of it is changed.
    """

    data: Any

    def make(self) -> Graph:
        """See `GraphSource`."""
        return self._graph

    def identity(self) -> str:
        """See `GraphSource`."""
        digest = blake2b(digest_size=16)
        graph = self._graph
        for field in fields(graph):
            array = getattr(graph, field.name)
            digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def _graph(self) -> Graph:
        features, labels = self._array("x"), self._integers("y").reshape(-1)
        edges = self._integers("edge_index")
        if edges.ndim != 2 or edges.shape[0] != 2:
            raise GraphError(f"PyG data: edge_index has shape {edges.shape}; expected (2, edges)")
        vertices = len(features)
        if edges.size and (edges.min() < 0 or edges.max() >= vertices):
            raise GraphError(
                f"PyG data: edge_index holds vertices {edges.min()} to {edges.max()}; "
                f"expected 0 to {vertices - 1}, the rows of x"
            )
        indptr, indices, order = in_edges_by_vertex(edges[0], edges[1], vertices)
        graph = Graph(
            indptr,
            indices,
            features if features.dtype == np.float16 else features.astype(np.float32),
            labels.astype(np.int64),
            train_idx=self._marked("train_mask", vertices),
            valid_idx=self._marked("val_mask", vertices),
            test_idx=self._marked("test_mask", vertices),
            edge_weight=self._weights(edges.shape[1], order),
        )
        require_valid(graph, "PyG data")
        return graph

    def _weights(self, edges: int, order: NDArray[np.int64]) -> NDArray[np.float32] | None:
        if getattr(self.data, "edge_weight", None) is None:
            return None
        weights = self._array("edge_weight").astype(np.float32).reshape(-1)
        if len(weights) != edges:
            raise GraphError(f"PyG data: edge_weight holds {len(weights)} numbers for {edges} edges")
        return weights[order]

    def _marked(self, mask: str, vertices: int) -> NDArray[np.int64]:
        marks = self._array(mask)
        if marks.dtype != np.bool_ or marks.shape != (vertices,):
            raise GraphError(
                f"PyG data: {mask} has dtype {marks.dtype} and shape {marks.shape}; expected a bool for each "
                f"of {vertices} vertices"
            )
        return np.flatnonzero(marks).astype(np.int64)

    def _integers(self, name: str) -> NDArray[Any]:
        array = self._array(name)
        if array.dtype.kind not in "iu":
            raise GraphError(f"PyG data: {name} has dtype {array.dtype}; expected integers")
        return array

    def _array(self, name: str) -> NDArray[Any]:
        tensor = getattr(self.data, name, None)
        if not isinstance(tensor, Tensor):
            found = "no " + name if tensor is None else f"{name} is a {type(tensor).__name__}"
            wanted = ", ".join(("x", "edge_index", "y", *_MASKS))
            raise GraphError(f"PyG data: {found}; expected tensors {wanted}")
        if tensor.dtype == torch.bfloat16:  # which numpy has not
            tensor = tensor.float()
        return np.ascontiguousarray(tensor.detach().cpu().numpy())
