"""Random streams by what they are for, so that a state resumes exactly."""

from __future__ import annotations

import numpy as np


def keyed(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Return the random stream of one thing, whatever was drawn before."""
    entropy = [seed, int.from_bytes(purpose.encode(), "little"), *numbers]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
