"""Phantom sources: copies of all series, shifted in time, that are known to drive nothing.

One shift for all series of a copy, so that phantoms keep their own memory and what they have in common;
only their relation to the present is gone. Trained, penalised and knocked out as the real ones are, they
show what any read-out gives to a source that has no effect.

Source: the idea of decoys (Elias and Gygi, Nature Methods 4:207, 2007) with circular shifts as surrogates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ENOUGH = 300  # phantom pairs, so that a p value can be small
MOST = 60  # phantom sources, beyond the first copy


def copies_needed(variables: int) -> int:
    """Return how many copies of all series give an empirical null that is fine enough; at least 1."""
    return max(1, min(-(-ENOUGH // variables**2), MOST // variables))


def phantom_copies(trials: Sequence[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """Return the trials, each turned in time by 20 to 80 % of its length.

    Args:
        trials: Each (time, variables).
        generator: Draws one shift, as a share of the length, for all trials.
    """
    share = generator.uniform(0.2, 0.8)
    return [np.roll(trial, int(share * len(trial)), axis=0) for trial in trials]
