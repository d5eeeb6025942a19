"""Networks of any length as a domain of a search space: lists of genes that fit each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fulmen_evolution.domains import KNOTS, SpaceError, canonical
from fulmen_evolution.genes import Gene, GeneError, Ranges, Shape, check_gene, check_limits
from fulmen_evolution.genome import cost_of, genes_from, runs_on_meta, shapes_of

Value = list[dict[str, Any]]

PARTS = 3  # of a network's depth that are counted apart
TRIES = 50  # to make something valid that is new
MUTATIONS = {"perturb": 0.4, "add": 0.2, "remove": 0.15, "replace": 0.15, "swap": 0.1}


class Structure:
    """Lists of genes: the value of a `Genome`'s ``layers``.

    Whatever it draws, changes or crosses is repaired: layers that cannot stand where they are are cut or left
    out, and lists that are too short, too long, too large or too slow are refused and made anew. `admits`
    builds the network on the meta device besides, so that also a stranger's gene that computes its shape
    wrongly never reaches a worker.

    Args:
        genes: What there is to choose from: a gene of each kind, with whatever options.
        input_shape: Channels, height and width of the images.
        depth: The least and the greatest number of layers.
        limits: Class name of a gene to option to the values that it may take, in place of the gene's own.
        max_parameters: Of a network, without its head.
        max_multiply_adds: For one image, without the head.
        max_activations: Numbers that all layers together make of one image, those inside of a layer not
            counted. On a CPU, wide layers on large images take long though they multiply little.
        begin_with: Networks that `evolution` evaluates first, such as the one that you have: it goes on from
            whatever is good in them.

    Raises:
        SpaceError: an argument is not what it should be, or no valid network is found.
    """

    listed = False
    has_parts = True
    count = None

    def __init__(
        self,
        genes: list[Gene],
        input_shape: tuple[int, int, int],
        depth: tuple[int, int] = (2, 10),
        limits: dict[str, dict[str, list[Any]]] | None = None,
        max_parameters: int | None = None,
        max_multiply_adds: int | None = None,
        max_activations: int | None = None,
        begin_with: list[list[Gene]] | None = None,
    ) -> None:
        if not genes:
            raise SpaceError("genes: there is none; expected one or more")
        for gene in genes:
            if not isinstance(gene, Gene):
                raise SpaceError(f"genes: {gene!r} is no gene; expected objects of classes of Gene")
        self.classes = list(dict.fromkeys(type(gene) for gene in genes))
        for cls in self.classes:
            try:
                check_gene(cls)
            except ValueError as error:
                raise SpaceError(f"genes: {error}") from error
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise SpaceError(
                f"input_shape is {input_shape}; expected channels, height and width, 1 or more each"
            )
        if len(depth) != 2 or not 1 <= depth[0] <= depth[1]:
            raise SpaceError(
                f"depth is {depth}; expected the least and the greatest number of layers, from 1 on"
            )
        limits_given = {
            "max_parameters": max_parameters,
            "max_multiply_adds": max_multiply_adds,
            "max_activations": max_activations,
        }
        for name, most in limits_given.items():
            if most is not None and most < 0:
                raise SpaceError(f"{name} is {most}; expected 0 or more, or none for no limit")
        self.shape: Shape = (input_shape[0], input_shape[1], input_shape[2])
        self.least, self.most = depth
        self.limits = self._limits(limits or {})
        self.max_parameters = math.inf if max_parameters is None else max_parameters
        self.max_multiply_adds = math.inf if max_multiply_adds is None else max_multiply_adds
        self.max_activations = math.inf if max_activations is None else max_activations
        self.begin_with = [self._given(number, genes) for number, genes in enumerate(begin_with or [], 1)]
        if len({canonical(value) for value in self.begin_with}) < len(self.begin_with):
            raise SpaceError("begin_with: a network stands there twice; expected different ones")
        self.sample(np.random.default_rng(0))  # refused at the door if there is nothing to draw

    @property
    def width(self) -> int:
        """Kinds of gene in each part of the depth; depth, parameters, multiply-adds and end size."""
        return len(self.classes) * PARTS + 4 * KNOTS

    @property
    def _bounds(self) -> str:
        """What a network may be, for messages; limits that are not set are left out."""
        limits = {
            "parameters": self.max_parameters,
            "multiply-adds": self.max_multiply_adds,
            "activations": self.max_activations,
        }
        said = [f"at most {most} {what}" for what, most in limits.items() if most != math.inf]
        return ", ".join([f"{self.least} to {self.most} layers on images of {self.shape}", *said])

    def sample(self, generator: np.random.Generator) -> Value:
        """Draw a list of genes.

        Raises:
            SpaceError: nothing that is drawn is valid.
        """
        for _ in range(20 * TRIES):
            depth = int(generator.integers(self.least, self.most + 1))
            if (found := self._valid([self._gene(generator) for _ in range(depth)])) is not None:
                return found
        raise SpaceError(
            f"no valid network was found in {20 * TRIES} tries: {self._bounds}; expected some: allow more, "
            "or other genes"
        )

    def mutate(self, value: Value, generator: np.random.Generator) -> Value:
        """Add, remove, replace or swap layers, or change an option; the same value if nothing else fits."""
        genes = genes_from(value)
        names, shares = list(MUTATIONS), list(MUTATIONS.values())
        for _ in range(TRIES):
            kind = names[int(generator.choice(len(names), p=shares))]
            found = self._valid(self._changed(genes, kind, generator))
            if found is not None and found != value:
                return found
        return value

    def neighbours(self, value: Value) -> None:
        """Return None: they are too many to list."""

    def cross(self, first: Value, second: Value, generator: np.random.Generator) -> Value:
        """Take the first layers of one and the last of the other, cut where both have images of one size.

        The first, if there is no such place, or what comes of it is not valid.
        """
        a, b = genes_from(first), genes_from(second)
        sizes_a, sizes_b = ([self.shape[1:], *(s[1:] for s in shapes_of(g, self.shape))] for g in (a, b))
        cuts = [
            (i, j)
            for i, size in enumerate(sizes_a)
            for j, other in enumerate(sizes_b)
            if size == other and (i, j) not in ((0, 0), (len(a), len(b)))
        ]
        for place in generator.permutation(len(cuts))[:TRIES].tolist():
            i, j = cuts[place]
            if (found := self._valid(a[:i] + b[j:])) is not None:
                return found
        return first

    def describe(self, value: Value) -> list[tuple[int, float]]:
        """Return how often each gene stands in each third, and the network's size, soft one-hot."""
        genes = genes_from(value)
        where = {cls: place for place, cls in enumerate(self.classes)}
        counts = Counter(
            where[type(gene)] * PARTS + PARTS * number // len(genes) for number, gene in enumerate(genes)
        )
        entries = [(place, count / 2) for place, count in sorted(counts.items())]
        cost, end = cost_of(genes, self.shape), shapes_of(genes, self.shape)[-1]
        spread = max(self.most - self.least, 1)
        measures = (
            (len(genes) - self.least) / spread,
            math.log10(1 + cost.parameters) / 7,  # 10 million parameters are much here
            math.log10(1 + cost.multiply_adds) / 9,
            math.log2(end[1] * end[2]) / max(math.log2(self.shape[1] * self.shape[2]), 1.0),
        )
        start = len(self.classes) * PARTS
        for number, measure in enumerate(measures):
            place = min(max(measure, 0.0), 1.0) * (KNOTS - 1)
            left = min(int(place), KNOTS - 2)
            base = start + number * KNOTS + left
            entries += [(base, 1 - place + left), (base + 1, place - left)]
        return entries

    def check(self, value: Any) -> None:
        """Refuse what is no valid list of genes.

        Raises:
            SpaceError: says what is wrong.
        """
        try:
            genes = genes_from(value)
            shapes_of(genes, self.shape)
        except (GeneError, AttributeError, TypeError) as error:
            raise SpaceError(f"{error}") from error
        unknown = [gene for gene in genes if type(gene) not in self.classes]
        if unknown:
            raise SpaceError(f"{unknown[0]!r} is not one of the genes of this structure")

    def admits(self, value: Value) -> bool:
        """Say whether the network can be built and takes images, tried on the meta device."""
        return runs_on_meta(genes_from(value), self.shape) is None

    def _limits(self, limits: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[type[Gene], Ranges]:
        named = {cls.__name__: cls for cls in self.classes}
        for name, ranges in limits.items():
            if name not in named:
                raise SpaceError(
                    f"limits: {name!r} is no gene of this structure; there are {', '.join(named)}"
                )
            try:
                check_limits(named[name], ranges)
            except ValueError as error:
                raise SpaceError(f"limits: {error}") from error
        return {named[name]: ranges for name, ranges in limits.items()}

    def _given(self, number: int, genes: Any) -> Value:
        if not isinstance(genes, list) or not all(isinstance(gene, Gene) for gene in genes):
            raise SpaceError(f"begin_with: network {number} is {genes!r}; expected a list of genes")
        value = [gene.plain() for gene in genes]
        try:
            self.check(value)
        except SpaceError as error:
            raise SpaceError(f"begin_with: network {number}: {error}") from None
        found = self._valid(genes)
        if found is None:
            raise SpaceError(
                f"begin_with: network {number} is none that this structure allows: {self._bounds}, no idle "
                "one; expected one: change it"
            )
        if found != value:
            pairs = enumerate(zip(value, found, strict=False))  # the last may have been left out
            place = next((n for n, (given, kept) in pairs if given != kept), len(found))
            raise SpaceError(
                f"begin_with: network {number}: layer {place + 1}, {genes[place]!r}, cannot stand there so: "
                "the image is too small for it, or it does nothing; expected one that can: change it"
            )
        if why := runs_on_meta(genes, self.shape):
            raise SpaceError(f"begin_with: network {number}: {why}")
        return value

    def _gene(self, generator: np.random.Generator) -> Gene:
        for _ in range(TRIES):
            cls = self.classes[int(generator.integers(len(self.classes)))]
            try:
                return cls.sample(generator, self.limits.get(cls))
            except ValueError as error:  # each value is one that it takes, but not these together
                refused = error
        raise SpaceError(f"limits: no gene could be drawn in {TRIES} tries; the last: {refused}")

    def _changed(self, genes: list[Gene], kind: str, generator: np.random.Generator) -> list[Gene]:
        place = int(generator.integers(len(genes)))
        if kind == "add":
            place = int(generator.integers(len(genes) + 1))
            return [*genes[:place], self._gene(generator), *genes[place:]]
        if kind == "remove":
            return [*genes[:place], *genes[place + 1 :]]
        if kind == "replace":
            return [*genes[:place], self._gene(generator), *genes[place + 1 :]]
        if kind == "swap":
            other = int(generator.integers(len(genes)))
            changed = list(genes)
            changed[place], changed[other] = genes[other], genes[place]
            return changed
        try:
            gene = genes[place].mutate(generator, self.limits.get(type(genes[place])))
        except ValueError:  # as in drawing
            return genes
        return [*genes[:place], gene, *genes[place + 1 :]]

    def _valid(self, genes: list[Gene]) -> Value | None:
        """Repair a list; return it as plain data, or None if it is no network of this structure."""
        kept: list[Gene] = []
        shape, activations = self.shape, 0
        for gene in genes:
            repaired = gene.repair(shape)
            if repaired is None or (kept and repaired == kept[-1] and self._idle(repaired, shape)):
                continue
            after = repaired.shape_after(shape)
            if min(after) < 1:
                continue
            kept.append(repaired)
            shape = after
            activations += math.prod(shape)
        if not self.least <= len(kept) <= self.most or activations > self.max_activations:
            return None
        cost = cost_of(kept, self.shape)
        if cost.parameters > self.max_parameters or cost.multiply_adds > self.max_multiply_adds:
            return None
        return [gene.plain() for gene in kept]

    @staticmethod
    def _idle(gene: Gene, shape: Shape) -> bool:
        """Whether a second such layer right after the first is a no-op or nearly: costs and shape tell."""
        return gene.shape_after(shape) == shape and gene.cost(shape).multiply_adds == 0
