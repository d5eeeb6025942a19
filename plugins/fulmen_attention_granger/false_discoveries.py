"""p values, q values and a choice of edges from real scores beside those of phantoms.

Phantoms give the null distribution of any score, whatever it is: with n pairs and m phantoms, an edge is
chosen where ``n (1 + phantoms at least as high) / (1 + m) / (pairs at least as high) <= q``. The 1 makes the
control honest for few edges: with as many phantoms as pairs nothing is chosen unless at least 1 / q pairs
stand above all phantoms, which is why few variables are given several copies of phantoms.

Source: Barber and Candes, Annals of Statistics 43:2055 (2015), "knockoff+", with decoys in one pool; the
same as Benjamini and Hochberg's rule on the empirical p values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Discoveries:
    """What stands above the phantoms; float64 and bool, (targets, sources); 1 and False on the diagonal."""

    p_values: np.ndarray
    q_values: np.ndarray
    selected: np.ndarray


def discoveries(score: np.ndarray, phantom: np.ndarray, q: float) -> Discoveries:
    """Compare scores with those of phantoms.

    Args:
        score: (targets, sources), the first sources being the targets; larger for likelier edges.
        phantom: (targets, any number), scores of sources that drive nothing.
        q: The share of false edges that is tolerated, 0 to 1.
    """
    mask = ~np.eye(score.shape[0], score.shape[1], dtype=bool)
    real, null = score[mask], np.sort(phantom.ravel())
    above = len(null) - np.searchsorted(null, real, side="left")  # phantoms at least as high
    p_values = np.ones(score.shape)
    p_values[mask] = (1 + above) / (1 + len(null))
    order = np.argsort(-real, kind="stable")
    ranked = np.sort(real)
    at_least = len(real) - np.searchsorted(ranked, real, side="left")
    estimate = np.minimum(1.0, p_values[mask] * len(real) / at_least)
    # a q value is the smallest rate at which the pair is chosen: of this threshold or any lower one
    smallest = np.minimum.accumulate(estimate[order][::-1])[::-1]
    q_values = np.ones(score.shape)
    within = np.empty(len(real))
    within[order] = smallest
    q_values[mask] = within
    return Discoveries(p_values, q_values, (q_values <= q) & mask)
