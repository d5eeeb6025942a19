"""What a searcher owes the searches that it leads."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

import fulmen
from fulmen.testing.component import ComponentConformance

ROUNDS = 40


class SearcherConformance(ComponentConformance):
    """Tests of a searcher; derive from it, name the ``component`` and its ``init_args``.

    Attributes:
        objectives: Objective to ``max`` or ``min``, as the searcher's options name them.
    """

    kind = "searcher"
    objectives: Mapping[str, str] = {"loss": "min"}

    def evaluate(self, candidate: fulmen.Candidate) -> fulmen.Evaluation:
        """Return values that depend on the overlay alone; now and then a failure or a NaN."""
        number = sum(json.dumps(dict(candidate.overlay), sort_keys=True).encode()) % 101
        if number % 10 == 3:
            return fulmen.Evaluation(status="crash", failure="its worker was killed by SIGKILL")
        values = {name: (number * (place + 1)) % 17 / 17 for place, name in enumerate(self.objectives)}
        if number % 10 == 7:
            values = dict.fromkeys(values, math.nan)
            return fulmen.Evaluation(values, status="nan", failure="the loss is nan")
        return fulmen.Evaluation(values)

    def drive(self, searcher: Any, rounds: int, in_flight: int = 1, reverse: bool = False) -> list[Any]:
        """Ask and tell so many times and return the candidates in the order of asking.

        Args:
            searcher: Who is asked.
            rounds: How often.
            in_flight: How many are asked for before the first is told.
            reverse: Tell the last asked for first.
        """
        asked: list[Any] = []
        waiting: list[Any] = []
        while len(asked) < rounds or waiting:
            while len(waiting) < in_flight and len(asked) < rounds:
                candidate = searcher.ask()
                if candidate is None:
                    rounds = len(asked)
                    break
                asked.append(candidate)
                waiting.append(candidate)
            if waiting:
                candidate = waiting.pop(-1 if reverse else 0)
                searcher.tell(candidate, self.evaluate(candidate))
        return asked

    def test_candidates_are_plain_and_numbered_in_order(self) -> None:
        """Overlays, notes and parents are plain data; ids count from 0; parents were asked for before."""
        asked = self.drive(self.make(), ROUNDS)

        assert asked, "nothing was asked for"
        for number, candidate in enumerate(asked):
            assert candidate.id == number
            assert all(parent < number for parent in candidate.parents)
            for part in (candidate.overlay, candidate.note, candidate.fidelity):
                assert json.loads(json.dumps(dict(part))) == dict(part)
            assert candidate.overlay, "an overlay names what it sets"

    def test_the_same_seed_asks_for_the_same(self) -> None:
        """Two searches that are told the same go the same way, and leave the global streams alone."""
        first, second = (self.drive(self.make(), ROUNDS) for _ in range(2))

        assert first == second

    @pytest.mark.parametrize("in_flight", [1, 5, 20])
    def test_it_takes_results_in_any_order(self, in_flight: int) -> None:
        """Many in flight, the last asked for told first, failures among them."""
        assert self.drive(self.make(), ROUNDS, in_flight, reverse=True)

    def test_its_state_is_plain(self) -> None:
        """The state survives JSON as it is."""
        searcher = self.make()
        self.drive(searcher, ROUNDS)
        state = searcher.state_dict()

        assert json.loads(json.dumps(state)) == state

    @pytest.mark.parametrize("cut", [0, 1, 7, 23])
    def test_a_resumed_search_is_the_uninterrupted_one(self, cut: int) -> None:
        """Killed anywhere, with candidates in flight, it goes on as if it had not been."""
        whole, first = self.make(), self.make()
        expected = self.drive(whole, ROUNDS)
        asked: list[Any] = self.drive(first, cut)
        pending = first.ask()
        state = json.loads(json.dumps(first.state_dict()))
        second = self.make()
        second.load_state_dict(copy.deepcopy(state))
        if pending is not None:
            asked.append(pending)
            second.tell(pending, self.evaluate(pending))
            asked += self.drive(second, ROUNDS - len(asked))

        assert asked == expected
        assert second.state_dict() == whole.state_dict()

    def test_a_search_of_nothing_but_failures_goes_on_or_ends(self) -> None:
        """It neither raises nor asks for ever for what cannot be: 200 failures in a row."""
        searcher = self.make()
        for _ in range(200):
            candidate = searcher.ask()
            if candidate is None:
                return
            searcher.tell(candidate, fulmen.Evaluation(status="oom", failure="too much memory"))
