"""Every component of fulmen_vision passes the conformance kit."""

from __future__ import annotations

import pytest

from fulmen.testing import (
    CallbackConformance,
    DataConformance,
    ModelConformance,
    NetworkConformance,
    PluginConformance,
)


class TestPlugin(PluginConformance):
    plugin = "vision"


class TestImageClassifier(ModelConformance):
    component = "vision.image_classifier"
    init_args = {
        "network": {"class_path": "small_cnn", "init_args": {"width": 4, "num_classes": 4}},
        "num_classes": 4,
    }


class TestSmallCNN(NetworkConformance):
    component = "vision.small_cnn"
    output_shape = (4, 10)


class TestResNet18(NetworkConformance):
    component = "vision.resnet18"
    input_shape = (2, 3, 32, 32)
    init_args = {"in_channels": 3, "num_classes": 5}
    output_shape = (2, 5)


class TestVGG16(NetworkConformance):
    component = "vision.vgg16"
    input_shape = (2, 1, 16, 16)
    init_args = {"in_channels": 1, "num_classes": 5, "head_width": 16, "images": "small"}
    output_shape = (2, 5)


class TestSqueezeNet(NetworkConformance):
    component = "vision.squeezenet"
    input_shape = (2, 3, 32, 32)
    init_args = {"num_classes": 5, "variant": "squeezenet1_1"}
    output_shape = (2, 5)


class TestPredictions(CallbackConformance):
    component = "vision.predictions"
    # It does nothing in fit; test_two_processes.py predicts with it.
    test_it_survives_two_processes = None
    test_it_works_in_plain_lightning = None
    test_resuming_equals_not_having_stopped = None


class TestDigits(DataConformance):
    component = "vision.digits"


class TestNpz(DataConformance):
    component = "vision.npz"

    @pytest.fixture(autouse=True)
    def _file(self, medmnist_file):
        self.init_args = {"path": str(medmnist_file())}


class TestIdx(DataConformance):
    component = "vision.idx"

    @pytest.fixture(autouse=True)
    def _folder(self, mnist_folder):
        self.init_args = {"folder": str(mnist_folder(packed=True))}


class TestImageFolder(DataConformance):
    component = "vision.image_folder"

    @pytest.fixture(autouse=True)
    def _folder(self, image_folder):
        self.init_args = {"folder": str(image_folder()), "resize": 12, "crop": 8, "batch_size": 4}
