"""Genes and structures: whatever is drawn, mutated or crossed is a network that torch can build."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fulmen_evolution.blocks import Parallel, Residual
from fulmen_evolution.convolutions import Convolution, SeparableConvolution
from fulmen_evolution.domains import SpaceError, canonical
from fulmen_evolution.evolution import SteadyState
from fulmen_evolution.genes import Gene, GeneError
from fulmen_evolution.genome import Genome, cost_of, genes_from, runs_on_meta, shapes_of
from fulmen_evolution.goals import parse_goals
from fulmen_evolution.layers import Activation, Dropout, Normalisation, Pooling
from fulmen_evolution.space import parse_space
from fulmen_evolution.structure import Structure

GENES = [Convolution, SeparableConvolution, Pooling, Normalisation, Dropout, Activation, Residual, Parallel]
SHAPE = (3, 32, 20)


class Misnamed(Dropout):
    """Its ranges name an option that its constructor has not."""

    ranges = {"widht": (1, 2)}


class OutOfRange(Dropout):
    """Its ranges hold what its constructor refuses."""

    ranges = {"rate": (0.5, 2.0)}


def structure(**options):
    return Structure(
        **{"genes": [gene() for gene in GENES], "input_shape": SHAPE, "depth": (2, 9), **options}
    )


def torchs_shapes(genes, shape):
    network = Genome(genes, shape[0], 2, shape[1:]).eval()
    image, found = torch.zeros(1, *shape), []
    for layer in network.layers:
        image = layer(image)
        found.append(tuple(image.shape[1:]))
    return found


def test_ten_thousand_genomes_and_mutants_are_valid_by_arithmetic():
    space, generator = structure(), np.random.default_rng(0)
    changed, seen = 0, set()
    for _ in range(10_000):
        value = space.sample(generator)
        mutant = space.mutate(value, generator)
        for made in (value, mutant):
            genes = genes_from(made)
            assert 2 <= len(genes) <= 9
            assert min(min(shape) for shape in shapes_of(genes, SHAPE)) >= 1
        changed += mutant != value
        seen.update(entry["class_path"].rpartition(".")[2] for entry in mutant)

    assert changed == 10_000
    assert seen == {gene.__name__ for gene in GENES}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 7), (2, 1, 1), (3, 100, 100)])
def test_arithmetic_agrees_with_torch(shape):
    """Shapes, parameters and multiply-adds that genes state are those that torch finds."""
    space = structure(input_shape=shape, depth=(1, 5), limits={"Convolution": {"channels": [4, 6]}})
    generator = np.random.default_rng(1)
    for _ in range(25):
        genes = genes_from(space.sample(generator))
        assert torchs_shapes(genes, shape) == shapes_of(genes, shape)
        network = nn.Sequential(*Genome(genes, shape[0], 2, shape[1:]).eval().layers)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, *shape))
        parameters = sum(parameter.numel() for parameter in network.parameters())
        assert cost_of(genes, shape) == (parameters, counter.get_total_flops() // 2)


def test_crossing_is_closed_and_takes_from_both():
    space, generator = structure(), np.random.default_rng(2)
    new = 0
    for _ in range(500):
        first, second = space.sample(generator), space.sample(generator)
        child = space.cross(first, second, generator)
        shapes_of(genes_from(child), SHAPE)
        assert 2 <= len(child) <= 9
        new += child not in (first, second)

    assert new > 400


@pytest.mark.parametrize("gene", GENES, ids=lambda gene: gene.__name__)
def test_mutations_of_one_option_reach_every_value_of_every_range(gene):
    generator = np.random.default_rng(3)
    drawn, reached = gene.sample(generator), {}
    for _ in range(300):
        mutant = drawn.mutate(generator)
        different = [name for name, value in mutant.options.items() if value != drawn.options[name]]
        assert len(different) == 1
        reached.setdefault(different[0], set()).add(mutant.options[different[0]])
        drawn = mutant

    assert {name: set(values) for name, values in gene.ranges.items()} == reached


def test_a_search_begins_with_what_it_is_given():
    """As written in YAML, with an option drawn besides; then at random, as without."""
    given = [[Convolution(channels=8), Pooling()], [Convolution(channels=16, stride=2), Pooling()]]
    config = {"layers": structure(begin_with=given), "lr": {"log": [0.1, 1.0]}}
    search = SteadyState(parse_space(config), parse_goals({"loss": "min"}), seed=0)
    asked = [search.ask() for _ in range(4)]

    assert [genes_from(one.overlay["layers"]) for one in asked[:2]] == given
    assert [one.origin for one in asked] == ["given", "given", "random", "random"]
    assert asked[0].overlay["lr"] != asked[1].overlay["lr"]


def test_limits_of_cost_hold():
    space = structure(max_parameters=2_000, max_multiply_adds=400_000, max_activations=9_000)
    generator = np.random.default_rng(5)
    value = space.sample(generator)
    for _ in range(200):
        value = space.mutate(value, generator)
        cost = cost_of(genes_from(value), SHAPE)
        assert cost.parameters <= 2_000
        assert cost.multiply_adds <= 400_000
        assert sum(math.prod(shape) for shape in shapes_of(genes_from(value), SHAPE)) <= 9_000


class Liar(Gene):
    """States a shape that its layer does not make."""

    def build(self, shape):
        return nn.Conv2d(shape[0], 3, 3)

    def shape_after(self, shape):
        return 7, *shape[1:]

    def cost(self, shape):
        return Convolution().cost(shape)


def test_a_strangers_gene_that_miscomputes_its_shape_never_reaches_a_worker():
    space = parse_space({"layers": structure(genes=[Liar(), Convolution()], depth=(2, 3))})
    search = SteadyState(space, parse_goals({"x": "min"}), 0)
    for number in range(12):
        individual = search.ask()
        assert runs_on_meta(genes_from(individual.overlay["layers"]), SHAPE) is None
        search.tell(individual.id, "ok", {"x": float(number)})


def test_a_structure_and_ranges_are_searched_together():
    space = parse_space({"layers": structure(), "lr": {"log": [1e-4, 1e-1]}, "flip": [True, False]})
    search = SteadyState(space, parse_goals({"cost": "min", "error": "min"}), 3)
    keys = set()
    for _ in range(40):
        individual = search.ask()
        genes = genes_from(individual.overlay["layers"])
        cost = cost_of(genes, SHAPE).multiply_adds
        error = abs(np.log10(individual.overlay["lr"]) + 2) + 1 / (1 + len(genes))
        search.tell(individual.id, "ok", {"cost": cost, "error": error})
        keys.add(canonical(individual.overlay))
        json.dumps(individual.overlay)

    assert len(keys) == 40
    assert search.front()


def test_the_network_learns_and_exports():
    torch.manual_seed(0)
    genes = [Convolution(8, 3, 5), Pooling(), Residual(), Parallel(9, 4), SeparableConvolution(12, stride=2)]
    network = Genome(genes, 3, 2, SHAPE[1:])
    images = torch.rand(4, *SHAPE)
    network(images).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())

    network.eval()
    exported = torch.export.export(network, (images,)).module()
    assert (exported(images) - network(images)).abs().max() <= 1e-5


def test_values_that_do_not_go_together_are_drawn_again():
    """Two channels cannot be shared among more than two branches."""
    made = structure(genes=[Convolution(), Parallel()], limits={"Parallel": {"channels": [2, 4, 8]}})
    generator = np.random.default_rng(0)
    found = [made.sample(generator) for _ in range(50)]
    found += [made.mutate(one, generator) for one in found for _ in range(4)]

    parallel = [gene for one in found for gene in genes_from(one) if isinstance(gene, Parallel)]
    assert {gene.channels for gene in parallel} == {2, 4, 8}
    assert all(gene.branches <= gene.channels for gene in parallel)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"genes": []}, "genes: there is none"),
        ({"input_shape": (3, 0, 4)}, "input_shape is"),
        ({"depth": (5, 2)}, "depth is"),
        ({"depth": (0, 2)}, "depth is"),
        (
            {"max_parameters": 1, "genes": [Convolution()]},
            r"no valid network was found in 1000 tries: 2 to 9 layers on images of \(.*\), at most 1 "
            "parameters; expected some",
        ),
        ({"max_parameters": -1}, "max_parameters is -1; expected 0 or more"),
        ({"limits": {"Convolutoin": {}}}, "'Convolutoin' is no gene"),
        ({"limits": {"Convolution": {"width": [1]}}}, "no option 'width'"),
        ({"limits": {"Convolution": {"channels": []}}}, "expected a list of one value"),
        ({"limits": {"Convolution": {"channels": [0]}}}, "channels is 0"),
        ({"limits": {"Pooling": {"kind": ["median"]}}}, "kind is 'median'"),
        ({"begin_with": [[Convolution(kernel_height=99)] * 2]}, "begin_with: network 1"),
        (
            {"begin_with": [[Convolution()] * 10]},
            "begin_with: network 1 is none that this structure allows: 2 to 9",
        ),
        (
            {"begin_with": [[Convolution(), Dropout(0.1), Dropout(0.1)]]},
            r"begin_with: network 1: layer 3, Dropout\(rate=0.1\), cannot stand there so",
        ),
        (
            {"limits": {"Dropout": {"rate": ["0.1"]}}},
            "limits: gene Dropout: rate: '0.1' is no value of its kind",
        ),
        (
            {"genes": [Parallel()], "limits": {"Parallel": {"channels": [2], "branches": [3, 4]}}},
            "limits: no gene could be drawn in 50 tries; the last: gene Parallel: channels is 2",
        ),
        ({"begin_with": [[Convolution()] * 3] * 2}, "begin_with: a network stands there twice"),
        ({"begin_with": ["convolution"]}, "begin_with: network 1 is 'convolution'; expected a list of genes"),
        (
            {"begin_with": [[Convolution()] * 3, ["pooling"]]},
            "begin_with: network 2 is .*; expected a list of",
        ),
        ({"genes": [Convolution]}, "genes: <class .*> is no gene; expected objects"),
        (
            {"genes": [Misnamed()]},
            "genes: gene Misnamed: its ranges name 'widht'; expected of its options: rate",
        ),
        ({"genes": [Dropout(), OutOfRange()]}, "genes: gene OutOfRange: rate is 2.0; expected 0 to"),
    ],
)
def test_bad_structures_are_refused(options, told):
    with pytest.raises(SpaceError, match=told) as refused:
        structure(**options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Convolution(channels=0), "channels is 0"),
        (lambda: Convolution(activation="rleu"), "activation is 'rleu'"),
        (lambda: Dropout(1.5), "rate is 1.5"),
        (lambda: Parallel(branches=7), "branches is 7"),
        (lambda: Genome([Pooling(size=9)], image_size=(8, 8)), "layer 1"),
        (lambda: genes_from([{"class_path": "torch.nn.ReLU"}]), "is no gene"),
        (lambda: genes_from([{"class_path": "nowhere.Gene"}]), "layer 1: nowhere.Gene"),
    ],
)
def test_bad_genes_are_refused(make, told):
    with pytest.raises(GeneError, match=told):
        make()
