"""A gene: one layer of a network as plain data, which knows what it may be, and builds and costs itself.

A gene of your own is a class like those in `convolutions.py`: typed options, the values that search may give
them, `build` and `shape_after`; `cost`, `repair` and the rest follow, or are overridden. There is one from
its first line to its test in docs/plugins/evolution.md; `testing.GeneConformance` holds it to what this says.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Shape = tuple[int, int, int]  # channels, height, width
Ranges = Mapping[str, Sequence[Any]]


class Cost(NamedTuple):
    """What a layer costs: parameters, and multiply-adds for one image."""

    parameters: int
    multiply_adds: int

    def __add__(self, other: object) -> Cost:
        """Add up two layers."""
        assert isinstance(other, Cost)
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


class GeneError(ValueError):
    """A gene cannot be what it should be: one line that names the gene and the option."""


class Gene(ABC):
    """One layer; derive from it.

    The constructor's arguments are the gene's options: numbers, texts, booleans, None or lists of these (a
    tuple comes back from YAML as a list), each kept under its own name. The constructor refuses values with
    which no layer can be built by a GeneError. A gene is not changed once it is made.

    Attributes:
        ranges: For each option that search may set, the values that it may take, in order: a mutation goes
            mostly to the one before or after. Any of them must go with any of the others'; an option that is
            not among them keeps its default.
    """

    ranges: ClassVar[Ranges] = {}

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """Return the layer for float inputs of shape (batch, *shape), a new one each time.

        It is built on the meta device, too, and its weights come from torch's global stream. A search builds
        repaired genes alone; a config that is written by hand may have others.
        """

    @abstractmethod
    def shape_after(self, shape: Shape) -> Shape:
        """Return the shape of what the layer makes of an input of this shape, without the batch.

        From arithmetic alone, in microseconds. Numbers below 1 say that nothing is left of the input: a
        search leaves the layer out.
        """

    def cost(self, shape: Shape) -> Cost:
        """Return what the layer costs; here counted on the meta device, which takes milliseconds.

        Multiply-adds are half of the operations that torch's FlopCounterMode counts in evaluation: those of
        convolutions and matrix products.
        """
        with torch.device("meta"):
            layer = self.build(shape).eval()
            image = torch.empty(1, *shape)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            layer(image)
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        return Cost(parameters, counter.get_total_flops() // 2)

    def repair(self, shape: Shape) -> Gene | None:
        """Return a gene of this class that can stand here, or None if there is none; here: itself.

        A repaired gene needs no further repair for this shape. Its options may lie outside of `ranges`.
        """
        return self

    @classmethod
    def sample(cls, generator: np.random.Generator, limits: Ranges | None = None) -> Gene:
        """Draw a gene, each option from its range.

        Args:
            generator: Draws.
            limits: Other ranges, for some options: what a structure's ``limits`` say.
        """
        ranges = {**cls.ranges, **(limits or {})}
        drawn = {name: values[int(generator.integers(len(values)))] for name, values in ranges.items()}
        return cls(**drawn)

    def mutate(self, generator: np.random.Generator, limits: Ranges | None = None) -> Gene:
        """Return a gene with one option changed; itself where no option has another value."""
        ranges = {**self.ranges, **(limits or {})}
        free = [name for name, values in ranges.items() if len(values) > 1]
        if not free:
            return self
        name = free[int(generator.integers(len(free)))]
        return type(self)(**{**self.options, name: _another(getattr(self, name), ranges[name], generator)})

    @property
    def options(self) -> dict[str, Any]:
        """Name to value of every option."""
        return {name: getattr(self, name) for name in _options_of(type(self))}

    def plain(self) -> dict[str, Any]:
        """Return the gene as it stands in YAML."""
        cls = type(self)
        return {"class_path": f"{cls.__module__}.{cls.__qualname__}", "init_args": self.options}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.options == other.options

    def __hash__(self) -> int:
        return hash((type(self), repr(self.options)))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})"


@functools.cache
def _options_of(cls: type[Gene]) -> tuple[str, ...]:
    return tuple(inspect.signature(cls).parameters)


def check_option(gene: Gene, name: str, least: float, most: float = float("inf")) -> None:
    """Refuse a number outside its bounds.

    Raises:
        GeneError: names gene, option, value and bounds.
    """
    value = getattr(gene, name)
    if not least <= value <= most:
        upper = "or more" if most == float("inf") else f"to {most:g}"
        raise GeneError(f"gene {type(gene).__name__}: {name} is {value}; expected {least:g} {upper}")


def check_word(gene: Gene, name: str, words: Sequence[str]) -> None:
    """Refuse a word that is not one of several.

    Raises:
        GeneError: names gene, option, word and words.
    """
    if getattr(gene, name) not in words:
        raise GeneError(
            f"gene {type(gene).__name__}: {name} is {getattr(gene, name)!r}; "
            f"expected one of {', '.join(words)}"
        )


def check_gene(gene: type[Gene]) -> None:
    """Refuse a class that cannot be drawn from its own ranges.

    Raises:
        GeneError: names the class and the option.
    """
    for name in gene.ranges:
        if name not in _options_of(gene):
            known = ", ".join(_options_of(gene)) or "none"
            raise GeneError(
                f"gene {gene.__name__}: its ranges name {name!r}; expected of its options: {known}"
            )
    check_limits(gene, gene.ranges)


def check_limits(gene: type[Gene], limits: Ranges) -> None:
    """Refuse limits of options that the gene has not, or that it cannot be built with.

    Raises:
        GeneError: names them.
    """
    for name, values in limits.items():
        if name not in gene.ranges:
            known = ", ".join(gene.ranges) or "none"
            raise GeneError(f"gene {gene.__name__}: there is no option {name!r} to limit; there are: {known}")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise GeneError(f"gene {gene.__name__}: {name}: {values!r}; expected a list of one value or more")
        for value in values:
            try:
                gene(**{**{n: v[0] for n, v in gene.ranges.items()}, name: value})
            except TypeError as error:
                raise GeneError(f"gene {gene.__name__}: {name}: {value!r} is no value of its kind") from error


def _another(value: Any, values: Sequence[Any], generator: np.random.Generator) -> Any:
    """Draw another value: the one before or after three times in four, otherwise any."""
    others = [other for other in values if other != value]
    if value in values and generator.random() < 0.75:
        place = list(values).index(value)
        beside = [values[near] for near in (place - 1, place + 1) if 0 <= near < len(values)]
        others = [other for other in beside if other != value] or others
    return others[int(generator.integers(len(others)))] if others else value
