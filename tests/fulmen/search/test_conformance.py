"""A stranger's searcher of sixty lines passes the kit; searchers that break one promise each do not."""

from __future__ import annotations

import random

import pytest

import fulmen
from fulmen.testing import SearcherConformance
from fulmen.testing.climber import Climber

from .conftest import SPACE


@pytest.mark.usefixtures("climber")
class TestStranger(SearcherConformance):
    component = "climber"
    init_args = {"space": SPACE}


class TestCoresOwn(SearcherConformance):
    component = "fulmen.testing.climber.Climber"


def test_the_strangers_searcher_is_at_most_sixty_lines(repository):
    source = repository / "tests" / "third_party" / "climber" / "fulmen_climber" / "searcher.py"

    assert len(source.read_text().splitlines()) <= 60


class Forgets(Climber):
    """Loads nothing."""

    def load_state_dict(self, state):
        pass


class Global(Climber):
    """Draws from the global stream."""

    def ask(self):
        candidate = super().ask()
        return fulmen.Candidate(candidate.id, {"x": random.random(), "y": 0.0})


class Tuples(Climber):
    """Its state is no JSON."""

    def state_dict(self):
        return {**super().state_dict(), "best": (1, 2)}


class WrongIds(Climber):
    """Counts from 1."""

    def ask(self):
        candidate = super().ask()
        return fulmen.Candidate(candidate.id + 1, candidate.overlay)


class OnlyInOrder(Climber):
    """Wants results in the order of asking."""

    def tell(self, candidate, evaluation):
        if candidate.id != self.told:
            raise ValueError("not yet")
        super().tell(candidate, evaluation)


class Believes(Climber):
    """Takes every result to have values."""

    def tell(self, candidate, evaluation):
        self.best = [evaluation.values["loss"], *candidate.overlay.values()]
        self.told += 1


@pytest.mark.parametrize(
    ("searcher", "promise", "arguments"),
    [
        (Forgets, "test_a_resumed_search_is_the_uninterrupted_one", (7,)),
        (Global, "test_the_same_seed_asks_for_the_same", ()),
        (Tuples, "test_its_state_is_plain", ()),
        (WrongIds, "test_candidates_are_plain_and_numbered_in_order", ()),
        (OnlyInOrder, "test_it_takes_results_in_any_order", (5,)),
        (Believes, "test_a_search_of_nothing_but_failures_goes_on_or_ends", ()),
    ],
)
def test_a_broken_promise_is_found(searcher, promise, arguments):
    class Suite(SearcherConformance):
        component = f"{__name__}.{searcher.__name__}"

        def make(self):
            return searcher()

    with pytest.raises((AssertionError, ValueError, KeyError)):
        getattr(Suite(), promise)(*arguments)
