"""What processes hold in memory of their own, measured in fresh ones."""

from __future__ import annotations

import gc
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from fulmen_split_parallel import GraphData
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks import Stack
from fulmen_split_parallel.networks.layerwise import OneProcess, infer
from fulmen_split_parallel.networks.stack import sage
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler


def private() -> int:
    """Return bytes. Not USS: pages of a mapped file that nobody else has mapped count as private there."""
    rolled = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * int(re.search(r"Anonymous: *(\d+)", rolled)[1])


def of_training(folder: str) -> list[int]:
    """Go over an epoch of 100,000 rows of features, of 200,000, and copy the features: bytes each time."""
    first, *_ = _trained(folder, 100_000)
    second, data, *_ = _trained(folder, 200_000)
    copy = np.array(data.graph.features)
    copy += 1
    return [first, second, private()]


def _trained(folder: str, rows: int) -> tuple[Any, ...]:
    # Most of the features are holes in a file.
    features = np.lib.format.open_memmap(f"{folder}/features.npy", "w+", np.float32, (rows, 256))
    del features
    degrees = np.zeros(rows, np.int64)
    degrees[:2000] = 10
    arrays = {"indptr": np.concatenate([[0], np.cumsum(degrees)]), "labels": np.zeros(rows, np.int64)}
    arrays["indices"] = np.random.default_rng(0).integers(0, 2000, 20000).astype(np.int32)
    for place, name in enumerate(("train_idx", "valid_idx", "test_idx")):
        arrays[name] = np.arange(500 * place, 500 * (place + 1))
    for name, array in arrays.items():
        np.save(f"{folder}/{name}.npy", array)
    del arrays, degrees
    data = GraphData(folder, [5, 5], 100, check_features=False, keep_memory=False)
    data.setup("fit")
    loader = data.train_dataloader()
    *_, batch = loader
    gc.collect()
    return private(), data, loader, batch


def of_inference() -> list[int]:
    """Score 100,000 vertices layer by layer: bytes that were added at most, and how many have scores."""
    network = Stack(sage(), 8, 128, 4, 3).eval()
    small, large = _whole(9000), _whole(100_000)
    infer(network, small)  # what is compiled or imported on first use is no row
    start, done, peaks = private(), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.002):
            peaks.append(private())

    thread = threading.Thread(target=watch)
    thread.start()
    scores = infer(network, large)
    done.set()
    thread.join()
    return [max(peaks) - start, len(scores)]


def _whole(vertices: int, degree: int = 2) -> OneProcess:
    draw = np.random.default_rng(0)
    edges = draw.integers(0, vertices, vertices * degree)
    features = draw.random((vertices, 8), np.float32)
    nothing = [np.zeros(vertices, np.int64)] * 4
    graph = Graph(np.arange(vertices + 1) * degree, edges, features, *nothing)
    return OneProcess(graph, NeighbourSampler(graph), chunk_edges=4000)
