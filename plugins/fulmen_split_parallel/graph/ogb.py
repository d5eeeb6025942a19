"""A node-property data set in the folder layout that the Open Graph Benchmark downloads and unpacks.

    <root>/ogbn_products/raw/edge.csv.gz, node-feat.csv.gz, node-label.csv.gz, num-node-list.csv.gz, ...
    <root>/ogbn_products/split/sales_ranking/train.csv.gz, valid.csv.gz, test.csv.gz

Nothing is downloaded here. Source: Hu et al., "Open Graph Benchmark", NeurIPS 2020; ogb 1.3.6,
read_graph_raw.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.topology import in_edges_by_vertex

BOTH_WAYS = frozenset({"ogbn-products"})  # stored one way: OGB's own loader adds the inverse edges


@dataclass(frozen=True)
class OGBNodes(GraphSource):
    """An OGB node-property data set on this disk.

    Args:
        name: As OGB has it: ``ogbn-arxiv``, ``ogbn-products``, or a folder of the same layout by another
            name.
        root: The folder that OGB was told to download into.
        both_ways: Whether each edge is taken in both directions; None: as OGB's own loader does.
    """

    name: str
    root: str
    both_ways: bool | None = None

    @property
    def folder(self) -> Path:
        """Where the data set is: OGB puts ``_`` for ``-``."""
        return Path(self.root) / self.name.replace("-", "_")

    def identity(self) -> str:
        """See `GraphSource`. Sizes and times of the files stand for their content."""
        files = sorted(path for path in self.folder.rglob("*.csv.gz"))
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return repr((self.name, str(self.folder.resolve()), self.both_ways, stamps))

    def make(self) -> Graph:
        """See `GraphSource`."""
        if not self.folder.is_dir():
            raise GraphError(
                f"{self.folder}: no such folder; expected what OGB unpacks for {self.name}. Download it "
                "on a machine with a network (NodePropPredDataset of the package ogb) and set root to it"
            )
        raw = self.folder / "raw"
        vertices = int(_numbers(raw / "num-node-list.csv.gz", np.int64).sum())
        edges = _numbers(raw / "edge.csv.gz", np.int64)
        if edges.shape[1] != 2:
            raise GraphError(f"{raw / 'edge.csv.gz'}: {edges.shape[1]} columns; expected 2")
        if edges.size and (edges.min() < 0 or edges.max() >= vertices):
            raise GraphError(
                f"{raw / 'edge.csv.gz'}: vertices {edges.min()} to {edges.max()}; "
                f"expected 0 to {vertices - 1}"
            )
        if self.name in BOTH_WAYS if self.both_ways is None else self.both_ways:
            edges = np.concatenate([edges, edges[:, ::-1]])
        indptr, indices, _ = in_edges_by_vertex(edges[:, 0], edges[:, 1], vertices)
        labels = _numbers(raw / "node-label.csv.gz", np.float64)
        if labels.shape[1] != 1:
            raise GraphError(
                f"{raw / 'node-label.csv.gz'}: {labels.shape[1]} columns; expected 1, a class a vertex"
            )
        return Graph(
            indptr,
            indices,
            _numbers(raw / "node-feat.csv.gz", np.float32),
            np.nan_to_num(labels[:, 0], nan=-1).astype(np.int64),  # OGB leaves unknown labels empty
            train_idx=self._split("train"),
            valid_idx=self._split("valid"),
            test_idx=self._split("test"),
        )

    def _split(self, part: str) -> NDArray[np.int64]:
        found = sorted((self.folder / "split").glob(f"*/{part}.csv.gz"))
        if len(found) != 1:
            raise GraphError(
                f"{self.folder / 'split'}: {len(found)} files */{part}.csv.gz; expected one, "
                "in the folder of the split"
            )
        return np.sort(_numbers(found[0], np.int64).reshape(-1))


def _numbers(path: Path, kind: Any) -> NDArray[Any]:
    """A gzipped table of numbers without a header, (rows, columns)."""
    if not path.exists():
        raise GraphError(f"{path}: no such file; expected the layout that OGB unpacks")
    try:
        return np.ascontiguousarray(pd.read_csv(path, header=None, compression="gzip").to_numpy(kind))
    except (ValueError, EOFError, OSError) as error:
        raise GraphError(f"{path}: not a gzipped table of numbers ({str(error).splitlines()[0]})") from None
