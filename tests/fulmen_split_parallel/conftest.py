"""A small graph folder that all tests of models and data share; toys here are importable by name."""

import sys
from pathlib import Path

import numpy as np
import pytest

import fulmen
from fulmen_split_parallel.graph.folder import save_graph
from fulmen_split_parallel.graph.graph import Graph

sys.path.insert(0, str(Path(__file__).parent))

VERTICES, FEATURES, CLASSES = 120, 6, 3


@pytest.fixture(scope="session")
def small_graph() -> Graph:
    """120 vertices of 3 classes, 5 in-edges each, two in three from their own class; noisy features."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES, VERTICES)
    by_class = [np.flatnonzero(labels == label) for label in range(CLASSES)]
    own = np.array([rng.choice(by_class[label], 5) for label in labels])
    sources = np.where(rng.random(own.shape) < 2 / 3, own, rng.integers(0, VERTICES, own.shape))
    features = rng.normal(size=(VERTICES, FEATURES)) + np.eye(CLASSES, FEATURES)[labels]
    order = rng.permutation(VERTICES)
    return Graph(
        indptr=np.arange(VERTICES + 1) * 5,
        indices=sources.reshape(-1),
        features=features.astype(np.float32),
        labels=labels,
        train_idx=np.sort(order[:70]),
        valid_idx=np.sort(order[70:95]),
        test_idx=np.sort(order[95:]),
    )


@pytest.fixture(scope="session")
def small_folder(small_graph, tmp_path_factory) -> str:
    """Where it is."""
    folder = tmp_path_factory.mktemp("graph") / "small"
    save_graph(small_graph, folder, fulmen.write_artifact)
    return str(folder)
