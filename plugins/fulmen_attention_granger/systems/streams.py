"""Random streams of the generators: one for each thing that is drawn."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *what: str | int) -> np.random.Generator:
    """Return the random stream of one thing, the same on every machine.

    What is drawn has a stream of its own, so that another number of samples, or an option that draws
    more, leaves the wiring of a network as it was.

    Args:
        seed: Of the system, any integer.
        what: For example ``("izhikevich", "wiring")``.

    Source: counter-based generators, Salmon et al., SC 2011 (Philox).
    """
    digest = hashlib.blake2b(repr((int(seed), *what)).encode(), digest_size=32).digest()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(int.from_bytes(digest, "little"))))
