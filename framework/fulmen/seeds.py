"""Random streams keyed by what is drawn, not by who draws it."""

from __future__ import annotations

import hashlib
import os

import numpy as np


def run_seed() -> int:
    """Return what ``seed_everything`` was given in this run; 0 where it was given nothing."""
    return int(os.environ.get("PL_GLOBAL_SEED", 0))


def keyed_generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Return the random stream of one thing, the same in whatever process or order it is asked for.

    Args:
        seed: The run's seed (``seed_everything``).
        keys: What is drawn, for example ``("fault", trial)``. The kinds of the keys matter:
            ``1`` and ``"1"`` are different streams.

    Returns:
        A counter-based generator (Philox, Salmon et al., SC 2011). Streams with different keys are
        independent for all practical purposes: the key is a 256-bit hash.
    """
    digest = hashlib.blake2b(repr((int(seed), *keys)).encode(), digest_size=32).digest()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(int.from_bytes(digest, "little"))))
