"""Which vertices to train, validate and test on, where nobody has said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_splits(
    num_vertices: int,
    train_share: float,
    random: np.random.Generator,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw three disjoint sets of vertices.

    Args:
        num_vertices: V.
        train_share: Of all vertices, in the first set; as many of the others are in each of the two others,
            or half of the others where these are fewer.
        random: Draws.
        allowed: bool (V,), which vertices may be in the first set; None: all.

    Returns:
        int64, for training, validation and testing, one vertex at least in the first.
    """
    shuffled = random.permutation(num_vertices)
    wanted = max(1, int(num_vertices * train_share))
    candidates = shuffled if allowed is None else shuffled[allowed[shuffled]]
    train = candidates[:wanted]
    rest = np.setdiff1d(shuffled, train)
    rest = rest[random.permutation(len(rest))]
    each = min(wanted, len(rest) // 2)
    return train, rest[:each], rest[each : 2 * each]
