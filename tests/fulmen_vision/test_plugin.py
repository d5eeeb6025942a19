"""The plugin and its package list the same things."""

from __future__ import annotations

import importlib

import pytest

from fulmen_vision.plugin import fulmen_components

COMPONENTS = {component.name: component for component in fulmen_components()}


def test_the_components_are_those_of_the_docs():
    kinds = {(component.kind, component.name) for component in COMPONENTS.values()}

    assert kinds == {
        ("model", "image_classifier"),
        ("network", "small_cnn"),
        ("network", "resnet18"),
        ("network", "vgg16"),
        ("network", "squeezenet"),
        ("data", "digits"),
        ("data", "npz"),
        ("data", "idx"),
        ("data", "image_folder"),
        ("callback", "predictions"),
    }


def test_the_package_lists_its_classes():
    package = importlib.import_module("fulmen_vision")
    targets = {component.target.partition(":")[2] for component in COMPONENTS.values()}

    assert set(dir(package)) == targets
    assert {name for name in targets if getattr(package, name).__name__ == name} == targets
    with pytest.raises(AttributeError, match="no attribute 'Imaginary'"):
        _ = package.Imaginary
