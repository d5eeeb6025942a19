"""The plugin and its package list the same things."""

from __future__ import annotations

import importlib

import pytest

from fulmen_attention_granger.plugin import fulmen_components

COMPONENTS = {component.name: component for component in fulmen_components()}


def test_the_names_that_users_rely_on_are_there():
    data = {name for name, component in COMPONENTS.items() if component.kind == "data"}

    assert {"time_series", "spiking_network", "lorenz96", "linear_var", "henon", "nonlinear_var"} <= data


def test_the_package_lists_its_classes():
    package = importlib.import_module("fulmen_attention_granger")
    targets = {component.target.partition(":")[2] for component in COMPONENTS.values()}

    assert targets <= set(dir(package))
    assert {name for name in dir(package) if getattr(package, name).__name__ == name} == set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'Imaginary'"):
        _ = package.Imaginary
