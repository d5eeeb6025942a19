"""What a gene owes the searches that draw it and the networks that it is built into."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fulmen.testing import ComponentConformance
from fulmen_evolution.genes import Cost, Gene, Ranges, Shape
from fulmen_evolution.genome import genes_from, runs_on_meta

STEPS = 200  # of a walk of mutations


class GeneConformance(ComponentConformance):
    """Tests of a gene; derive from it and name the ``component``.

    Each test takes the gene of ``init_args`` and others, drawn; what has to be built is repaired first, as
    a search does.

    Attributes:
        shapes: Channels, height and width of the inputs that it is tried on; on one at least it must stand.
        draws: How many others are drawn for each shape.
    """

    kind = "gene"
    shapes: Sequence[Shape] = ((1, 8, 8), (3, 33, 7), (2, 1, 1), (5, 1, 9), (8, 2, 2))
    draws: int = 12

    def drawn(self, seed: int = 0) -> list[Gene]:
        """Return the gene of ``init_args`` and others, each option from its range."""
        generator = np.random.default_rng(seed)
        first: Gene = self.make()
        return [first, *(type(first).sample(generator) for _ in range(self.draws))]

    def standing(self) -> list[tuple[Gene, Shape]]:
        """Return what repair makes of drawn genes, each with the shape of the input that it is for."""
        found = {
            (repaired, shape): None
            for seed, shape in enumerate(self.shapes)
            for gene in self.drawn(seed)
            if (repaired := gene.repair(shape)) is not None
        }
        assert found, f"{self.component} stands on none of the inputs {self.shapes}: set others"
        return list(found)

    def one_of_each_shape(self) -> list[tuple[Gene, Shape]]:
        """Return a standing gene for each shape, the one drawn last: some promises take long to try."""
        return [(gene, shape) for shape, gene in {shape: gene for gene, shape in self.standing()}.items()]

    def test_every_value_survives_yaml(self) -> None:
        """Each value of each range may stand in a config, is of its option's type and comes back equal."""
        gene: Gene = self.make()
        unknown = set(gene.ranges) - set(gene.options)
        assert not unknown, f"ranges: {sorted(unknown)} are no options; there are {sorted(gene.options)}"
        for name, value in [(name, value) for name, values in gene.ranges.items() for value in values]:
            changed = type(gene)(**{**gene.options, name: value})
            _assert_plain(changed)
            self.init_args = changed.options
            assert self.make() == changed, f"{name}: {value!r} is another gene when it is read from YAML"

    def test_a_seed_draws_the_same(self) -> None:
        """What is drawn and how it mutates depends on the generator alone."""
        first, second = self.drawn(), self.drawn()
        assert first == second, f"{self.component}: sample draws from another stream, too"
        first, second = ([gene.mutate(np.random.default_rng(1)) for gene in first] for _ in range(2))
        assert first == second, f"{self.component}: mutate draws from another stream, too"

    def test_mutants_stay_within_the_ranges(self) -> None:
        """A mutant is another gene of its class, and leaves the one that it came from as it was."""
        generator = np.random.default_rng(2)
        gene: Gene = type(self.make()).sample(generator)
        for _ in range(STEPS):
            before = dict(gene.options)
            mutant = gene.mutate(generator)
            assert type(mutant) is type(gene), f"{gene!r} mutates into {mutant!r}: expected its class"
            assert gene.options == before, f"mutate changes {before} to {gene.options}; expected a new gene"
            if any(len(values) > 1 for values in gene.ranges.values()):
                assert mutant != gene, f"{gene!r} does not change though it could"
            _assert_within(mutant, gene.ranges)
            gene = mutant

    def test_limits_hold(self) -> None:
        """A structure's limits take the place of a range, when genes are drawn and when they mutate."""
        generator = np.random.default_rng(3)
        cls: type[Gene] = type(self.make())
        for name, values in cls.ranges.items():
            for value in (values[0], values[-1]):
                limits = {name: [value]}
                gene = cls.sample(generator, limits)
                for _ in range(10):
                    _assert_within(gene, {**cls.ranges, **limits})
                    gene = gene.mutate(generator, limits)

    def test_repairs_stand_and_are_final(self) -> None:
        """A repaired gene runs on its input, needs no repair, may stand in a config and is of its class.

        So does its mutant, repaired in turn: that is the way that a search goes.
        """
        cls, generator = type(self.make()), np.random.default_rng(4)
        for gene, shape in self.standing():
            for one in (gene, gene.mutate(generator).repair(shape)):
                if one is None:
                    continue
                where = f"{one!r} on {shape}"
                assert type(one) is cls, f"{where}: repair gives another class than {cls.__name__}"
                assert min(one.shape_after(shape)) >= 1, f"{where}: leaves {one.shape_after(shape)}"
                assert one.repair(shape) == one, f"{where}: is repaired again into {one.repair(shape)!r}"
                assert (said := runs_on_meta([one], shape)) is None, f"{where}: {said}"
                _assert_plain(one)

    def test_its_module_has_the_shape_that_it_claims(self) -> None:
        """On the meta device and on real images, in training and not; values and gradients are finite."""
        for gene, shape in self.standing():
            where, claimed = f"{gene!r} on {shape}", (4, *gene.shape_after(shape))
            with torch.device("meta"):
                thought = gene.build(shape).eval()(torch.empty(4, *shape))
            assert tuple(thought.shape) == claimed, f"{where}: {tuple(thought.shape)} on the meta device"
            module, images = gene.build(shape), _images(shape, 4).requires_grad_()
            for found in (module.eval()(images), module.train()(images)):
                assert tuple(found.shape) == claimed, f"{where}: makes {tuple(found.shape)}"
                assert torch.isfinite(found).all(), f"{where}: makes numbers that are not finite"
            assert found.requires_grad, f"{where}: passes no gradient on to the layers before it"
            found.square().mean().backward()
            assert images.grad is not None, f"{where}: passes no gradient on to the layers before it"
            assert torch.isfinite(images.grad).all(), f"{where}: its gradient is not finite"

    def test_its_costs_are_those_counted(self) -> None:
        """Parameters, and multiply-adds of one image in evaluation as torch counts them."""
        for gene, shape in self.standing():
            module = gene.build(shape).eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                module(_images(shape, 1))
            parameters = sum(parameter.numel() for parameter in module.parameters())
            counted, claimed = Cost(parameters, counter.get_total_flops() // 2), gene.cost(shape)
            assert claimed == counted, f"{gene!r} on {shape}: claims {claimed}, {counted} are counted"

    def test_it_is_exported_and_loads_back(self, tmp_path: Path) -> None:
        """torch.export writes it; what is read gives the same numbers to 1e-5."""
        for gene, shape in self.one_of_each_shape():
            module, images = gene.build(shape).eval(), _images(shape, 2)
            torch.export.save(torch.export.export(module, (images,)), tmp_path / "gene.pt2")
            found = torch.export.load(tmp_path / "gene.pt2").module()(images)
            torch.testing.assert_close(found, module(images), atol=1e-5, rtol=1e-5)

    def test_a_seed_gives_the_same_weights(self) -> None:
        """Two layers built after the same torch seed are equal, and share nothing."""
        for gene, shape in self.one_of_each_shape():
            first, second = _built(gene, shape), _built(gene, shape)
            assert not _tensors(first) & _tensors(second), f"{gene!r}: two layers share weights"
            for (name, one), other in zip(
                first.state_dict().items(), second.state_dict().values(), strict=True
            ):
                assert torch.equal(one, other), f"{gene!r} on {shape}: {name} differs for the same seed"


def _assert_plain(gene: Gene) -> None:
    """A study keeps genes as JSON, a config as YAML."""
    plain = gene.plain()
    for stored in (json.loads(json.dumps(plain)), yaml.safe_load(yaml.safe_dump(plain))):
        assert stored == plain, f"{gene!r} comes back as {stored}"
        assert genes_from([stored]) == [gene], f"{gene!r} comes back as {genes_from([stored])[0]!r}"


def _assert_within(gene: Gene, ranges: Ranges) -> None:
    outside = {name: gene.options[name] for name, v in ranges.items() if gene.options[name] not in v}
    assert not outside, f"{gene!r}: {outside} are not within the ranges"


def _images(shape: Shape, count: int) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def _built(gene: Gene, shape: Shape) -> nn.Module:
    torch.manual_seed(1)
    return gene.build(shape)


def _tensors(module: nn.Module) -> set[int]:
    return {tensor.data_ptr() for tensor in module.state_dict().values()} - {0}
