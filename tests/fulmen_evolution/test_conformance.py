"""Every component of fulmen_evolution passes the conformance kit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fulmen.testing import DataConformance, NetworkConformance, PluginConformance, SearcherConformance


class TestPlugin(PluginConformance):
    plugin = "evolution"


SPACE = {"model.init_args.width": [4, 8, 16, 32], "lr": {"log": [0.001, 0.1]}, "op": ["a", "b", "c"]}


class TestEvolution(SearcherConformance):
    component = "evolution.evolution"
    init_args = {"space": SPACE, "objectives": {"loss": "min"}, "initial": 6}


class TestRandom(SearcherConformance):
    component = "evolution.random"
    init_args = {"space": SPACE}


class TestGenome(NetworkConformance):
    component = "evolution.genome"
    input_shape = (4, 1, 8, 8)
    output_shape = (4, 10)
    init_args = {
        "layers": [
            {"class_path": "convolution", "init_args": {"channels": 6, "kernel_width": 5}},
            {"class_path": "pooling"},
            {"class_path": "residual"},
            {"class_path": "parallel", "init_args": {"channels": 8}},
        ],
        "in_channels": 1,
        "num_classes": 10,
        "image_size": [8, 8],
    }


class TestSyntheticTIL(DataConformance):
    component = "evolution.synthetic_til"
    init_args = {"train_size": 24, "val_size": 8, "test_size": 8, "size": 32, "batch_size": 8}


class TestTILPatches(DataConformance):
    component = "evolution.til_patches"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("til")
        generator = np.random.default_rng(0)
        for number in range(54):
            pixels = generator.integers(0, 255, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"s{number // 6}_{number}_{number % 2}.png")
        self.init_args = {
            "folder": str(folder),
            "crop": 16,
            "batch_size": 8,
            "val_share": 0.2,
            "test_share": 0.2,
        }
