"""What is refused when a searcher is told a result: one line for whoever calls ``tell``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import fulmen
from fulmen_evolution.evolution import EvolutionError
from fulmen_evolution.goals import GoalError


@contextlib.contextmanager
def refusals(candidate: fulmen.Candidate, evaluation: fulmen.Evaluation) -> Iterator[None]:
    """Turn what is wrong with a result into a line that says how to mend it.

    Raises:
        UserError: the evaluation is none, or what is done inside does not take it.
    """
    if not isinstance(candidate, fulmen.Candidate):
        raise fulmen.UserError(f"searcher: expected the candidate that ask gave, got {candidate!r:.80}.")
    if not isinstance(evaluation, fulmen.Evaluation):
        raise fulmen.UserError(
            f"searcher: candidate {candidate.id}: expected a fulmen.Evaluation, got {evaluation!r:.80}; "
            'write fulmen.Evaluation({"accuracy": 0.93}).'
        )
    try:
        yield
    except EvolutionError as error:
        raise fulmen.UserError(f"searcher: {error}.") from error
    except GoalError as error:
        raise fulmen.UserError(f"searcher: candidate {candidate.id}: {error}.") from error
