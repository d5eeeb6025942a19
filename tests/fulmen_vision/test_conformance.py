"""Every component keeps the promises of its kind, in fulmen and in plain Lightning."""

from __future__ import annotations

import pytest

from fulmen.testing import DataConformance, ModelConformance, NetworkConformance, PluginConformance

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class TestPlugin(PluginConformance):
    plugin = "vision"


class TestImageClassifier(ModelConformance):
    component = "image_classifier"
    init_args = {"network": {"class_path": "small_cnn", "init_args": {"num_classes": 4}}, "num_classes": 4}


class TestSmallCNN(NetworkConformance):
    component = "small_cnn"
    output_shape = (4, 10)


class TestResNet18(NetworkConformance):
    component = "resnet18"
    init_args = {"stem": "small"}
    input_shape = (4, 3, 8, 8)
    output_shape = (4, 1000)


class TestDigits(DataConformance):
    component = "digits"


class TestNpz(DataConformance):
    component = "npz"

    @pytest.fixture(autouse=True)
    def _file(self, medmnist_file):
        self.init_args = {"path": str(medmnist_file()), "batch_size": 8}


class TestIdx(DataConformance):
    component = "idx"

    @pytest.fixture(autouse=True)
    def _folder(self, mnist_folder):
        self.init_args = {"folder": str(mnist_folder()), "batch_size": 8}
