"""A search space: dotted keys of a config, each with a domain."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fulmen_evolution.domains import Choice, Domain, Range, SpaceError
from fulmen_evolution.domains import canonical as as_text

Genotype = tuple[Any, ...]
Description = list[list[tuple[int, float]]]
Canonical = Callable[[dict[str, Any]], str]

KINDS = ("choice", "linear", "log", "integer", "log_integer")


class Space:
    """Some keys, each with the values that it may take.

    A genotype is a tuple of plain values in the order of the keys.

    Args:
        domains: Key to domain.
        canonical: Names what keys and values stand for: the same text for the same network. None: only equal
            values are.

    Raises:
        SpaceError: there is no key.
    """

    def __init__(self, domains: Mapping[str, Domain], canonical: Canonical | None = None) -> None:
        if not domains:
            raise SpaceError("the space is empty; expected one key or more")
        self.keys = tuple(domains)
        self.domains = tuple(domains.values())
        self.widths = tuple(domain.width for domain in self.domains)
        self.canonical = canonical

    @property
    def listed(self) -> bool:
        """Whether the neighbours of a genotype are a short list, the same each time."""
        return all(domain.listed for domain in self.domains)

    @property
    def count(self) -> int | None:
        """How many genotypes there are; None: too many to count."""
        total = 1
        for domain in self.domains:
            if domain.count is None:
                return None
            total *= domain.count
        return total

    def sample(self, generator: np.random.Generator) -> Genotype:
        """Draw a genotype."""
        return tuple(domain.sample(generator) for domain in self.domains)

    def first(self, number: int, generator: np.random.Generator) -> Genotype:
        """Draw the genotype of a search's ``number``-th individual, from 0, with what domains begin with."""
        return tuple(
            domain.begin_with[number] if number < len(domain.begin_with) else value
            for domain, value in zip(self.domains, self.sample(generator), strict=True)
        )

    def is_given(self, number: int) -> bool:
        """Whether a domain says how the ``number``-th individual begins."""
        return any(number < len(domain.begin_with) for domain in self.domains)

    def mutate(self, genotype: Genotype, generator: np.random.Generator, changes: int = 1) -> Genotype:
        """Make some changes, of one key each; a key whose values have parts may be changed more than once."""
        free = [
            place
            for place, domain in enumerate(self.domains)
            if domain.count != 1
            for _ in range(changes if domain.has_parts else 1)
        ]
        changed = list(genotype)
        for place in generator.permutation(len(free))[:changes].tolist():
            changed[free[place]] = self.domains[free[place]].mutate(changed[free[place]], generator)
        return tuple(changed)

    def neighbours(self, genotype: Genotype, generator: np.random.Generator, draws: int) -> list[Genotype]:
        """Return the genotypes that differ in one key.

        Args:
            genotype: The one in the middle.
            generator: Draws where there is no short list.
            draws: How many to draw for a key without a short list.
        """
        found = []
        for place, (domain, value) in enumerate(zip(self.domains, genotype, strict=True)):
            values = domain.neighbours(value)
            if values is None:
                values = [domain.mutate(value, generator) for _ in range(draws)]
            found += [(*genotype[:place], other, *genotype[place + 1 :]) for other in values]
        return found

    def cross(self, first: Genotype, second: Genotype, generator: np.random.Generator) -> Genotype:
        """Make a genotype of two, key by key."""
        pairs = zip(self.domains, first, second, strict=True)
        return tuple(domain.cross(a, b, generator) for domain, a, b in pairs)

    def describe(self, genotype: Genotype) -> Description:
        """Return, for each key, the non-zero entries of its soft one-hot vector."""
        return [domain.describe(value) for domain, value in zip(self.domains, genotype, strict=True)]

    def admits(self, genotype: Genotype) -> bool:
        """Say whether a genotype that is about to be asked for can be evaluated at all."""
        pairs = zip(self.domains, genotype, strict=True)
        return all(domain.admits(value) for domain, value in pairs)

    def key(self, genotype: Genotype) -> str:
        """Return a text that two genotypes share if they are the same network.

        Raises:
            SpaceError: ``canonical`` returns no text.
        """
        if self.canonical is None:
            return as_text(genotype)
        named = self.canonical(self.overlay(genotype))
        if not isinstance(named, str):
            raise SpaceError(f"canonical returned {named!r} for {self.overlay(genotype)}; expected a text")
        return named

    def overlay(self, genotype: Genotype) -> dict[str, Any]:
        """Return the genotype as dotted keys and values."""
        return dict(zip(self.keys, genotype, strict=True))

    def genotype(self, values: list[Any]) -> Genotype:
        """Return the genotype of values that were stored as plain data.

        Raises:
            SpaceError: they are not of this space.
        """
        if len(values) != len(self.keys):
            raise SpaceError(f"{len(values)} values; this space has {len(self.keys)} keys")
        for key, domain, value in zip(self.keys, self.domains, values, strict=True):
            try:
                domain.check(value)
            except SpaceError as error:
                raise SpaceError(f"{key}: {error}") from None
        return tuple(values)

    def all(self) -> list[Genotype] | None:
        """Return every genotype of a space of choices and whole numbers, None where there are others."""
        values: list[Sequence[Any]] = []
        for domain in self.domains:
            if isinstance(domain, Choice):
                values.append(domain.values)
            elif isinstance(domain, Range) and domain.integer:
                values.append(range(int(domain.low), int(domain.high) + 1))
            else:
                return None
        return list(itertools.product(*values))


def parse_space(config: Mapping[str, Any], canonical: Canonical | None = None) -> Space:
    """Read a space from plain data.

    Args:
        config: Dotted key to a list of choices, to ``{"linear": [low, high]}`` (or ``log``,
            ``integer``, ``log_integer``), to ``{"choice": [...]}``, or to a `Domain`.
        canonical: As of `Space`.

    Raises:
        SpaceError: names the key, what was found and what is expected.
    """
    if not isinstance(config, Mapping):
        raise SpaceError(f"space is {config!r}; expected keys with their values")
    domains: dict[str, Domain] = {}
    for key, entry in config.items():
        try:
            domains[key] = _parse_domain(entry)
        except SpaceError as error:
            raise SpaceError(f"space: {key}: {error}") from None
    return Space(domains, canonical)


def _parse_domain(entry: Any) -> Domain:
    if isinstance(entry, list | tuple):
        return Choice(tuple(entry))
    if hasattr(entry, "describe"):
        domain: Domain = entry
        return domain
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise SpaceError(
            f"{entry!r}; expected a list of choices, or one of {', '.join(KINDS)} with its values"
        )
    ((kind, values),) = entry.items()
    if kind not in KINDS:
        raise SpaceError(f"there is no kind of range {kind!r}; expected one of {', '.join(KINDS)}")
    if not isinstance(values, list | tuple):
        raise SpaceError(f"{kind}: {values!r}; expected a list")
    if kind == "choice":
        return Choice(tuple(values))
    if len(values) != 2:
        raise SpaceError(f"{kind}: {len(values)} values; expected two, [low, high]")
    return Range(values[0], values[1], log=kind.startswith("log"), integer=kind.endswith("integer"))
