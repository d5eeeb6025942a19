"""Domains and spaces: what is drawn, changed and crossed stays inside; bad ones are refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fulmen_evolution.domains import Range, SpaceError
from fulmen_evolution.features import PairFeatures, SparseRows
from fulmen_evolution.lattice import Lattice
from fulmen_evolution.space import Space, parse_space

SPACE = {
    "model.op": ["conv", "skip", None, 3, 3.5, True],
    "model.lr": {"log": [1e-5, 1e-1]},
    "model.dropout": {"linear": [0.0, 0.7]},
    "model.depth": {"integer": [2, 6]},
    "model.width": {"log_integer": [4, 512]},
    "model.kernel": {"choice": [[3, 3], [1, 7]]},
}


def test_everything_drawn_changed_and_crossed_stays_inside_and_is_plain():
    space, generator = parse_space(SPACE), np.random.default_rng(0)
    previous = space.sample(generator)
    for _ in range(2000):
        drawn = space.sample(generator)
        made = [drawn, space.mutate(drawn, generator, 2), space.cross(drawn, previous, generator)]
        made += space.neighbours(drawn, generator, 3)
        for genotype in made:
            stored = json.loads(json.dumps(list(genotype)))
            assert space.genotype(stored) == genotype
            assert list(space.overlay(genotype)) == list(SPACE)
        previous = drawn


def test_a_mutation_changes_as_many_keys_as_asked_for():
    space, generator = parse_space(SPACE), np.random.default_rng(1)
    for _ in range(500):
        drawn = space.sample(generator)
        for changes in (1, 2, 6):
            mutant = space.mutate(drawn, generator, changes)
            different = sum(json.dumps(a) != json.dumps(b) for a, b in zip(drawn, mutant, strict=True))
            assert different == changes


class Beads:
    """A value of several parts: a mutation adds one."""

    width, count, listed, has_parts, begin_with = 1, None, False, True, ()

    def mutate(self, value, generator):
        return [*value, int(generator.integers(9))]


@pytest.mark.parametrize("others", [{}, {"lr": Range(1e-3, 1.0, log=True)}], ids=["alone", "beside a range"])
def test_two_changes_may_be_two_of_one_value_that_has_parts(others):
    space, generator = Space({"layers": Beads(), **others}), np.random.default_rng(2)
    begun = ([], *(0.1 for _ in others))
    added = [len(space.mutate(begun, generator, 2)[0]) for _ in range(300)]

    assert set(added) == ({1, 2} if others else {2})
    assert not others or 60 < added.count(2) < 140  # a third: two of three changes are chosen


def test_neighbours_of_choices_are_all_that_differ_in_one_key():
    space = parse_space({"a": [0, 1, 2], "b": ["x", "y"]})
    found = space.neighbours((0, "x"), np.random.default_rng(0), 3)

    assert sorted(found) == [(0, "y"), (1, "x"), (2, "x")]


def test_a_logarithmic_range_draws_each_decade_alike():
    space, generator = parse_space({"lr": {"log": [1e-4, 1]}}), np.random.default_rng(0)
    decades = np.floor(np.log10([space.sample(generator)[0] for _ in range(4000)]))

    assert all(900 < (decades == decade).sum() < 1100 for decade in (-4, -3, -2, -1))


def test_whole_numbers_are_drawn_alike_the_ends_too():
    space, generator = parse_space({"n": {"integer": [1, 4]}}), np.random.default_rng(0)
    drawn = np.array([space.sample(generator)[0] for _ in range(4000)])

    assert all(900 < (drawn == number).sum() < 1100 for number in (1, 2, 3, 4))


@pytest.mark.parametrize(
    "domain", [{"log_integer": [1, 1000]}, {"log_integer": [4, 512]}, {"integer": [1, 9]}]
)
def test_a_child_of_two_equal_numbers_is_that_number(domain):
    space, generator = parse_space({"n": domain}), np.random.default_rng(0)

    for number in range(4, 10):
        assert space.domains[0].cross(number, number, generator) == number
    moved = np.log([space.domains[0].mutate(8, generator) for _ in range(2000)])
    assert abs(moved.mean() - np.log(8)) < (0.1 if "log_integer" in domain else 0.3)


def test_descriptions_interpolate():
    space = parse_space({"x": {"linear": [0, 8]}})

    assert space.describe((3.0,)) == [[(1, 0.5), (2, 0.5)]]
    assert space.describe((8.0,)) == [[(3, 0.0), (4, 1.0)]]


def test_one_and_true_are_different_choices():
    space = parse_space({"a": [1, True, 1.0, "1"]})

    assert len({space.key(genotype) for genotype in space.all()}) == 4


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "the space is empty"),
        ([1], "expected keys with their values"),
        ({"a": []}, "space: a: the list of choices is empty"),
        ({"a": [1, 1]}, "space: a: 1 is listed twice"),
        ({"a": 3}, "space: a: 3; expected a list of choices"),
        ({"a": {"normal": [0, 1]}}, "no kind of range 'normal'"),
        ({"a": {"log": [0, 1]}}, "space: a: low is 0"),
        ({"a": {"linear": [2, 1]}}, "empty or reversed"),
        ({"a": {"linear": [1, 1]}}, "empty or reversed"),
        ({"a": {"linear": [0, float("nan")]}}, "expected a finite number"),
        ({"a": {"integer": [0, 2.5]}}, "expected a whole number"),
        ({"a": {"linear": [0, 1, 2]}}, "3 values; expected two"),
        ({"a": {"linear": "01"}}, "expected a list"),
        ({"a": {"linear": ["0", "1"]}}, "expected a finite number"),
    ],
)
def test_bad_spaces_are_refused_by_key(config, told):
    with pytest.raises(SpaceError, match=told) as refused:
        parse_space(config)
    assert "\n" not in str(refused.value)


def test_values_of_another_space_are_refused():
    space = parse_space({"a": [1, 2], "b": {"integer": [0, 3]}})
    for values, told in (
        ([1], "1 values"),
        ([3, 0], "a: 3 is not one"),
        ([1, 4], "b: 4"),
        ([1, True], "b: True"),
    ):
        with pytest.raises(SpaceError, match=told):
            space.genotype(values)


@pytest.mark.parametrize("levels", [3, 12])
def test_a_lattice_does_at_once_what_the_space_does_one_by_one(levels):
    """With 3 levels each pair has its own feature; with 12 they share some by hash."""
    space = parse_space({name: [f"{name}{level}" for level in range(levels)] for name in "abcd"} | {"e": [1]})
    features, generator = PairFeatures(space.widths), np.random.default_rng(0)
    lattice = Lattice(space, features)
    centres = [space.sample(generator) for _ in range(3)]
    drawn, owners = lattice.two_away(np.stack([lattice.places(c) for c in centres]), 300, generator)
    weights = generator.normal(size=(features.size, 2))
    rows = SparseRows(features.size)
    for row, owner in zip(drawn, owners.tolist(), strict=True):
        genotype = lattice.genotype(row)
        rows.append(features.encode(space.describe(genotype)))
        assert sum(a != b for a, b in zip(genotype, centres[owner], strict=True)) == 2

    np.testing.assert_allclose(lattice.times(drawn, weights), rows.times(weights), atol=1e-12)
    np.testing.assert_allclose(rows.times(weights), rows.dense() @ weights, atol=1e-12)
    assert len(set(lattice.numbers(drawn).tolist())) == len({lattice.genotype(row) for row in drawn})


def test_of_many_keys_each_entry_of_a_row_stands_once():
    """Sixty ranges have 7,201 pairs and more, which share some 500 entries."""
    space = parse_space({f"x{number}": {"linear": [0.0, 1.0]} for number in range(60)})
    features = PairFeatures(space.widths)
    description = space.describe(space.sample(np.random.default_rng(3)))

    places, values = features.encode(description)

    assert len(set(places.tolist())) == len(places) <= features.size
    other = PairFeatures(space.widths)
    other.size = 1 << 30  # nothing is summed
    at, weights = other.encode(description)
    assert len(at) > 7_000
    np.testing.assert_allclose(
        np.bincount(places, values, features.size), np.bincount(at, weights, features.size), atol=1e-12
    )
