"""What the plugin says it offers is there, and each option explains itself."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from fulmen_vision.plugin import fulmen_components

COMPONENTS = {component.name: component for component in fulmen_components()}
BASES = {
    "model": "lightning.pytorch:LightningModule",
    "network": "torch.nn:Module",
    "data": "lightning.pytorch:LightningDataModule",
}


def load(target: str) -> type:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def test_the_components_are_those_of_the_docs():
    kinds = {(component.kind, component.name) for component in COMPONENTS.values()}

    assert kinds == {
        ("model", "image_classifier"),
        ("network", "small_cnn"),
        ("network", "resnet18"),
        ("data", "digits"),
        ("data", "npz"),
        ("data", "idx"),
    }


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_target_is_of_its_kind(name):
    component = COMPONENTS[name]

    assert issubclass(load(component.target), load(BASES[component.kind]))


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_option_has_a_type_and_a_line_in_the_docstring(name):
    target = load(COMPONENTS[name].target)
    options = [p for p in inspect.signature(target.__init__).parameters.values() if p.name != "self"]

    assert options
    for option in options:
        assert option.annotation is not inspect.Parameter.empty, option
        assert re.search(rf"^ +{option.name}: \S", target.__doc__, re.MULTILINE), option


def test_the_package_lists_its_classes():
    package = importlib.import_module("fulmen_vision")
    targets = {component.target.partition(":")[2] for component in COMPONENTS.values()}

    assert set(dir(package)) == targets
    assert {name for name in targets if getattr(package, name).__name__ == name} == targets
    with pytest.raises(AttributeError, match="no attribute 'Imaginary'"):
        _ = package.Imaginary
