"""What every component owes its users."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from fulmen.errors import UserError
from fulmen.frozen_imports import frozen_imports
from fulmen.host import host
from fulmen.names import import_class
from fulmen.targets import load_target

with frozen_imports():
    import torch
    from lightning.pytorch import LightningDataModule, LightningModule
    from lightning.pytorch.utilities.seed import isolate_rng

from fulmen.testing.building import build, resolve
from fulmen.testing.options import undescribed_options

TOY_MODEL: Mapping[str, Any] = {"class_path": "fulmen.testing.toys.ToyClassifier"}
TOY_DATA: Mapping[str, Any] = {"class_path": "fulmen.testing.toys.ToyImages"}


class ComponentConformance:
    """The suites of all kinds derive from this one.

    Attributes:
        component: What is tried: its name as in YAML (``"hello.greet"``) or its class path.
        init_args: Its options, as in YAML; a fixture of your own may set them per test.
        model: The model that is used beside it, as in YAML.
        data: The data that are used beside it, as in YAML.
    """

    kind: ClassVar[str]
    component: str
    init_args: Mapping[str, Any] = {}
    model: Mapping[str, Any] = TOY_MODEL
    data: Mapping[str, Any] = TOY_DATA

    @property
    def base(self) -> type:
        """The class that all components of this kind derive from."""
        base: type = load_target(host().kinds[self.kind].base, f"the kind {self.kind}")
        return base

    @property
    def config(self) -> dict[str, Any]:
        """The component with a full class path and all its options, as in YAML."""
        return _resolved(self.base, {"class_path": self.component, "init_args": dict(self.init_args)})

    @property
    def model_config(self) -> dict[str, Any]:
        """The model, likewise."""
        return _resolved(LightningModule, self.model)

    @property
    def data_config(self) -> dict[str, Any]:
        """The data, likewise."""
        return _resolved(LightningDataModule, self.data)

    def make(self) -> Any:
        """Return a fresh instance of the component."""
        return build(self.base, self.config)

    @pytest.fixture(autouse=True)
    def _undo(self) -> Iterator[None]:
        """Leave the environment and the global random state to other tests as they were."""
        environment, threads = dict(os.environ), torch.get_num_threads()
        torch.set_num_threads(1)  # one order of summation, so that equal runs are equal to the last bit
        with isolate_rng():
            yield
        torch.set_num_threads(threads)
        os.environ.clear()
        os.environ.update(environment)

    def test_it_is_of_its_kind(self) -> None:
        """The component's class derives from the base of its kind."""
        assert isinstance(self.make(), self.base)

    def test_each_option_has_a_type_and_a_line_of_documentation(self) -> None:
        """Each option explains itself in ``--help``."""
        missing = undescribed_options(import_class(self.config["class_path"]))

        assert not missing, f"{self.component}: {'; '.join(missing)}"


def _resolved(base: type, config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return resolve(base, config)
    except UserError as error:
        pytest.fail(f"{config.get('class_path')}: {error}", pytrace=False)
