"""The data module of a graph: sampled mini-batches for any strategy."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray

import fulmen
from fulmen.errors import ConfigError, DataError
from fulmen_split_parallel.graph.debian import DebianPackages
from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM
from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.folder import load_graph
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.ogb import OGBNodes
from fulmen_split_parallel.graph.recursive_matrix import RecursiveMatrix
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.validation import unlabelled
from fulmen_split_parallel.graph_cache import default_cache, made_once, open_folder
from fulmen_split_parallel.loading import GraphLoader
from fulmen_split_parallel.sampling.allocator import keep_freed_memory
from fulmen_split_parallel.sampling.mini_batch import require_fanouts
from fulmen_split_parallel.sampling.randomness import stream_key
from fulmen_split_parallel.sampling.sampler import Sampler
from fulmen_split_parallel.sampling.samplers import SAMPLERS

_BY_NAME: dict[str, Callable[[], GraphSource]] = {
    "debian": DebianPackages,
    "dc_sbm": DegreeCorrectedSBM,
    "rmat": RecursiveMatrix,
}
MOST_THREADS = 256
_PURPOSES = {"train": 0, "valid": 1, "test": 2, "predict": 3}


class GraphData(LightningDataModule):
    """Mini-batches of a graph, by neighbour sampling or LABOR, for any strategy.

    Batches are ``GraphBatch`` es. In one process each holds a whole mini-batch; under ``ddp`` each rank
    holds its share of every global mini-batch; under ``split_parallel`` the strategy makes them of the
    same seeds. The sample of a vertex depends neither on the number of ranks nor of threads.

    Topology and features are memory-mapped: the processes of a host share them. A graph that is made
    (generated, unpacked, merged) is kept in a cache folder and mapped from there.

    Validation, test and prediction go over the vertices of the splits in their order, prediction over
    those of `predict`; their samples are the same in every epoch.

    Args:
        path: A graph folder, or the name of a graph: ``debian``, ``dc_sbm``, ``rmat``, with its options as
            ``class_path`` and ``init_args``; or an OGB data set such as ``ogbn-arxiv``, below `ogb_root`.
        fanouts: In-edges sampled for each vertex, the seeds' layer first; -1 takes all. As many as the
            network has layers; none at all loads the seeds' features alone.
        batch_size: Seeds of a mini-batch over all ranks.
        sampler: ``neighbour``, so many in-edges of each vertex; ``labor``, in expectation, over fewer
            sources.
        eval_fanouts: As `fanouts`, in validation, test and prediction; None: the same.
        predict: Vertices that ``predict`` goes over: ``all``, or those of a split, ``train``, ``valid``,
            ``test``.
        seed: Of order and samples; None: that of ``seed_everything``, or 0.
        threads: That sample, in each process.
        duplicate_edges: ``keep`` several edges between the same two vertices, each an edge of its own;
            ``merge`` them to one, weights summed.
        check_features: Whether to look for NaN in the features of a folder, which reads them all at the
            start.
        ahead: Whether a thread makes the next mini-batch while this one is computed.
        keep_memory: Whether this process keeps memory that it has freed (glibc): a step on a CPU takes
            about a third less time, and the process stays as large as it ever was.
        ogb_root: The folder that OGB downloaded into.
        cache: The folder for graphs and partitions that are made; None: ``fulmen/split_parallel`` in the
            user's cache folder.

    Raises:
        ConfigError: an option is out of range (at once).
        DataError: the graph is not there or not what it should be (when it is read).
    """

    def __init__(
        self,
        path: GraphSource | str = "debian",
        fanouts: list[int] = [15, 10, 5],  # noqa: B006 - never changed; jsonargparse shows it in --help
        batch_size: int = 1024,
        sampler: Literal["neighbour", "labor"] = "neighbour",
        eval_fanouts: list[int] | None = None,
        predict: Literal["all", "train", "valid", "test"] = "all",
        seed: int | None = None,
        threads: int = 1,
        duplicate_edges: Literal["keep", "merge"] = "keep",
        check_features: bool = True,
        ahead: bool = True,
        keep_memory: bool = True,
        ogb_root: str = "dataset",
        cache: str | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("threads", threads, 1), ("seed", seed, 0)):
            if value is not None and value < least:
                raise ConfigError(f"data: {name} is {value}; expected {least} or more: change it.")
        if threads > MOST_THREADS:
            raise ConfigError(f"data: threads is {threads}; expected {MOST_THREADS} at most: change it.")
        for name, numbers in (("fanouts", fanouts), ("eval_fanouts", eval_fanouts)):
            try:
                require_fanouts(numbers or [])
            except GraphError as error:
                raise ConfigError(f"data: {name}: {error}.") from error
        if eval_fanouts is not None and len(eval_fanouts) != len(fanouts):
            raise ConfigError(
                f"data: eval_fanouts has {len(eval_fanouts)} numbers, fanouts {len(fanouts)}; "
                "expected as many."
            )
        for name, word, words in (
            ("sampler", sampler, tuple(SAMPLERS)),
            ("predict", predict, ("all", "train", "valid", "test")),
            ("duplicate_edges", duplicate_edges, ("keep", "merge")),
        ):
            if word not in words:
                raise ConfigError(f"data: {name} is {word!r}; expected one of {', '.join(words)}.")
        self.source = self._source_of(path, ogb_root)
        if isinstance(self.source, GraphSource):
            try:
                self.source.check()
            except GraphError as error:
                raise ConfigError(f"data: {error}.") from error
        self.fanouts, self.batch_size, self.sampler_name = list(fanouts), batch_size, sampler
        self.eval_fanouts = list(fanouts if eval_fanouts is None else eval_fanouts)
        self.predict, self.threads, self.ahead = predict, threads, ahead
        self.duplicate_edges, self.check_features = duplicate_edges, check_features
        self.keep_memory, self._seed = keep_memory, seed
        self.cache = Path(cache) if cache else default_cache()
        self._graph: Graph | None = None
        self._epochs = 0

    @property
    def seed(self) -> int:
        """Of order and samples: the option's, that of ``seed_everything``, or 0; the same on all ranks."""
        return int(os.environ.get("PL_GLOBAL_SEED", "0")) if self._seed is None else self._seed

    @property
    def graph(self) -> Graph:
        """The graph (reads it if need be).

        Raises:
            DataError: it is not there or not what it should be.
        """
        if self._graph is None:
            try:
                self._graph = self._open()
            except GraphError as error:
                raise DataError(f"{error}.") from error
            except OSError as error:
                cause = error.strerror or error
                raise DataError(
                    f"{error.filename}: cannot be read ({cause}); give a folder that you may read."
                ) from error
        return self._graph

    def prepare_data(self) -> None:
        """Make the graph, if it is not a folder: one process of each host, while the others wait."""
        if isinstance(self.source, GraphSource) or self.duplicate_edges == "merge":
            _ = self.graph

    def setup(self, stage: str | None = None) -> None:
        """Map and check the graph."""
        if self.keep_memory:
            keep_freed_memory()
        _ = self.graph

    def make_sampler(self, graph: Graph) -> Sampler:
        """A sampler of the kind that was asked for, with a state of its own."""
        return SAMPLERS[self.sampler_name](graph, self.threads)

    def train_dataloader(self) -> GraphLoader:
        """Return the training mini-batches, in an order and with samples of each epoch's own."""
        return self._loader("train", self._split("train"), self.fanouts, shuffled=True)

    def val_dataloader(self) -> GraphLoader:
        """Return the mini-batches of the validation vertices."""
        return self._loader("valid", self._split("valid"), self.eval_fanouts)

    def test_dataloader(self) -> GraphLoader:
        """Return the mini-batches of the test vertices.

        Raises:
            DataError: a test vertex has no label.
        """
        vertices = self._split("test")
        if (unknown := np.flatnonzero(self.graph.labels[vertices] < 0)).size:
            raise DataError(
                f"{unlabelled('test_idx', vertices[unknown])}; expected a label for each: use `predict` for "
                "vertices without."
            )
        return self._loader("test", vertices, self.eval_fanouts)

    def predict_dataloader(self) -> GraphLoader:
        """Return the mini-batches of the vertices to predict, each once."""
        everyone = self.predict == "all"
        vertices = np.arange(self.graph.num_vertices) if everyone else self._split(self.predict)
        return self._loader("predict", vertices, self.eval_fanouts)

    def _split(self, name: str) -> NDArray[np.int64]:
        vertices: NDArray[np.int64] = getattr(self.graph, f"{name}_idx")
        if not len(vertices):
            remedy = "; or leave validation out: --trainer.limit_val_batches 0" if name == "valid" else ""
            raise DataError(
                f"{self.source}: {name}_idx is empty; expected one vertex at least, to go over: name "
                f"some{remedy}."
            )
        return vertices

    def _loader(
        self, purpose: str, vertices: NDArray[np.int64], fanouts: list[int], shuffled: bool = False
    ) -> GraphLoader:
        trainer = self.trainer
        return GraphLoader(
            self.graph,
            vertices,
            fanouts,
            self.batch_size,
            self.make_sampler,
            # A vertex that is evaluated must not see what it saw in training.
            seed=self.seed if shuffled else int(stream_key(self.seed, _PURPOSES[purpose], 0, 0)) >> 1,
            epoch=self._epoch,
            shuffled=shuffled,
            rank=trainer.global_rank if trainer else 0,
            ranks=trainer.world_size if trainer else 1,
            ahead=self.ahead,
        )

    def _epoch(self) -> int:
        if self.trainer:
            return self.trainer.current_epoch
        self._epochs += 1  # outside a Trainer, each time that the loader is gone over
        return self._epochs - 1

    def _open(self) -> Graph:
        merged = self.duplicate_edges == "merge"
        if isinstance(self.source, GraphSource):
            folder = made_once(self.source, self.cache, merged, fulmen.write_artifact)
            return load_graph(folder, check_features=False)  # checked when it was written
        return open_folder(self.source, self.cache, merged, self.check_features, fulmen.write_artifact)

    @staticmethod
    def _source_of(path: GraphSource | str, ogb_root: str) -> GraphSource | Path:
        if isinstance(path, GraphSource):
            return path
        if path in _BY_NAME:
            return _BY_NAME[path]()
        if path.startswith("ogbn-"):
            return OGBNodes(path, ogb_root)
        if not Path(path).exists() and (near := get_close_matches(path, _BY_NAME, n=1)):
            raise ConfigError(f"data: path is {path!r}: no such folder; did you mean the graph {near[0]!r}?")
        return Path(path)
