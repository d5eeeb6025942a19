"""The searcher of a stranger, and configs that use it."""

from __future__ import annotations

import pytest
import yaml

SPACE = {
    "model.init_args.lr": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
    "data.init_args.batch_size": [4, 8, 12],
}
CONFIG = {
    "seed_everything": 1,
    "model": {"class_path": "fulmen.testing.toys.ToyClassifier"},
    "data": {"class_path": "fulmen.testing.toys.ToyImages"},
    "trainer": {"max_epochs": 2, "accelerator": "cpu", "logger": False, "limit_train_batches": 2},
    "searcher": {"class_path": "climber", "init_args": {"space": SPACE}},
    "objectives": [
        {"name": "loss", "mode": "min", "source": {"metric": "val_loss"}},
        {"name": "flops", "mode": "min", "source": {"cost": "flops"}},
    ],
    "engine": {"class_path": "inline"},
    "budget": {"evaluations": 4},
    "fidelity": {"epochs": 1},
}


@pytest.fixture
def climber(installed):
    """The stranger's distribution `climber`, installed."""
    installed("climber")


@pytest.fixture
def write_config(tmp_path, climber):
    """Write search.yaml, some of its keys changed, and return its name."""

    def write(**changed):
        document = {**CONFIG, **changed}
        (tmp_path / "search.yaml").write_text(
            yaml.safe_dump({key: value for key, value in document.items() if value is not None})
        )
        return "search.yaml"

    return write
