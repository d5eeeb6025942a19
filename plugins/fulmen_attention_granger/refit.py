"""Does a source still add to a forecast whose strongest sources are fitted anew?

A penalised network shrinks what a true source adds; a companion of that source (a sibling that hears of the
same driver, a neighbour two steps up a chain) makes up for a part of it, and knocking the companion out then
costs something, though it drives nothing. So, on time that the network was not trained on, the strongest
sources of each target get free coefficients, and a source is tested beside them. For target i and source j,
by least squares over held-out time, with ``c_ij = y_i - y_i,-j`` what the source adds to the forecast::

    x_i = a y_i,-j + b [1, own lags] + sum over strong s != j of (d_s c_is + e_s [lags of s]) + t_ij c_ij

where lags are taken as they are and through a tanh, lest a bend be left for a companion to explain.
The t value of the last coefficient is the read-out: whether what the network learnt of j is of use. Strong
are the ``STRONG`` sources to which the trained network gives most weight. Samples are weighted as in the
likelihood.

Source: post-selection refitting (Belloni and Chernozhukov, Bernoulli 19:521, 2013) and partialling out, by
Frisch and Waugh, Econometrica 1:387 (1933).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

STRONG = 3
SMALLEST = 1e-6  # share of a square that must be left once others are known: less is rounding
STILL = 1e-6  # variance, of z-scores: a neuron that is silent in all of the held-out time says nothing


class RefitSums:
    """Running sums over held-out time, from which all pairs are tested.

    Args:
        strong: int64 (targets, strong sources), none of them the target itself.
        sources: How many there are, phantoms included.
        lags: Of a history.
    """

    def __init__(self, strong: np.ndarray, sources: int, lags: int) -> None:
        n, self.features = len(strong), 1 + 2 * lags + strong.shape[1] * (1 + 2 * lags)
        self.strong, self.lags = torch.from_numpy(strong), lags
        f = self.features + 1  # the forecast itself comes last
        self.ff, self.fy = np.zeros((n, f, f)), np.zeros((n, f))
        self.fc, self.cc, self.cy = np.zeros((n, f, sources)), np.zeros((n, sources)), np.zeros((n, sources))
        self.yy, self.count = np.zeros(n), np.zeros(n)

    def add(
        self, added: Tensor, forecast: Tensor, history: Tensor, future: Tensor, weight: Tensor, known: Tensor
    ) -> None:
        """Add a stretch of time.

        Args:
            added: (M, B, N), what each source adds to each forecast.
            forecast: (B, N).
            history: (B, M, C).
            future: (B, N).
            weight: (B, N), 0 where the future is not known.
            known: (B, N), 1 or 0.
        """
        b, n = future.shape
        lags = torch.cat([history[..., : self.lags], torch.tanh(history[..., : self.lags])], -1)
        places, strong = self.strong.to(added.device), self.strong.shape[1]
        of_strong = added.permute(2, 1, 0).gather(2, places[:, None].expand(n, b, strong))  # (N, B, S)
        lags_of_strong = lags[:, places].permute(1, 0, 2, 3).reshape(n, b, -1)
        ones = added.new_ones(n, b, 1)
        own = lags[:, :n].transpose(0, 1)
        parts = [ones, own, of_strong, lags_of_strong, forecast.T[..., None]]
        features = torch.cat(parts, 2)  # (N, B, F + 1)
        weighted = features * weight.T[..., None]
        by_target = added.permute(2, 1, 0)  # (N, B, M)
        y = future.T[..., None]
        w = weight.T[..., None]
        self.ff += (weighted.transpose(1, 2) @ features).double().cpu().numpy()
        self.fy += (weighted * y).sum(1).double().cpu().numpy()
        self.fc += (weighted.transpose(1, 2) @ by_target).double().cpu().numpy()
        self.cc += (w * by_target.square()).sum(1).double().cpu().numpy()
        self.cy += (w * by_target * y).sum(1).double().cpu().numpy()
        self.yy += (w * y.square()).sum((1, 2)).double().cpu().numpy()
        self.count += known.sum(0).double().cpu().numpy()

    def t_values(self) -> np.ndarray:
        """Return the t value of each pair, float64 (targets, sources); 0 where nothing can be said."""
        n, sources = self.cc.shape
        t = np.zeros((n, sources))
        for target in range(n):
            if self._is_still(target):
                continue
            strong = self.strong[target].numpy()
            others = np.setdiff1d(np.arange(sources), [target, *strong])
            t[target, others] = self._tested(target, others, np.arange(self.features))
            for place, source in enumerate(strong):
                t[target, source] = self._tested(target, np.array([source]), self._without(place))[0]
        return t

    def scaled_loss(self) -> np.ndarray:
        """Return what is left of each target's forecast once it is scaled, float64 (targets,).

        The mean of ``w e^2``, e being the residual of ``x = a + own lags b + c y`` by least squares: a
        forecast that is right in kind and has overfitted in size is given its due.
        """
        kept = np.r_[: 1 + 2 * self.lags, self.features]  # 1, own lags, the forecast
        left = np.empty(len(self.yy))
        for target, (ff, fy) in enumerate(zip(self.ff, self.fy, strict=True)):
            slopes = np.linalg.pinv(ff[np.ix_(kept, kept)], rcond=1e-9, hermitian=True) @ fy[kept]
            left[target] = self.yy[target] - fy[kept] @ slopes
        return np.asarray(np.maximum(left, 0.0) / np.maximum(self.count, 1.0))

    def _is_still(self, target: int) -> bool:
        """Say whether a target is constant over held-out time: what is left of it then is rounding."""
        weight = max(self.ff[target, 0, 0], 1e-300)
        mean = self.fy[target, 0] / weight
        return bool(self.yy[target] / weight - mean**2 < STILL)

    def _without(self, place: int) -> np.ndarray:
        """Return the features without those of one strong source."""
        first, strong = 1 + 2 * self.lags, self.strong.shape[1]
        lags = first + strong + place * 2 * self.lags
        gone = np.r_[first + place, lags : lags + 2 * self.lags]
        return np.setdiff1d(np.arange(self.features), gone)

    def _tested(self, target: int, sources: np.ndarray, kept: np.ndarray) -> np.ndarray:
        ff, fc = self.ff[target], self.fc[target][:, sources]
        inverse = np.linalg.pinv(ff[np.ix_(kept, kept)], rcond=1e-9, hermitian=True)
        cc, cy, yy = self.cc[target, sources], self.cy[target, sources], self.yy[target]
        fy, forecast = self.fy[target], self.features
        # u is the forecast without the source: u = y - c
        fu, uu = ff[kept, forecast][:, None] - fc[kept], ff[forecast, forecast] - 2 * fc[forecast] + cc
        uc, uy = fc[forecast] - cc, fy[forecast] - cy
        on_u, on_c, on_y = inverse @ fu, inverse @ fc[kept], inverse @ fy[kept]
        uu = np.maximum(uu - (fu * on_u).sum(0), 1e-9 * np.abs(uu) + 1e-300)
        uc, uy = uc - (fu * on_c).sum(0), uy - fu.T @ on_y
        left = cc - (fc[kept] * on_c).sum(0) - uc**2 / uu
        cy = cy - fc[kept].T @ on_y - uc * uy / uu
        yy = yy - fy[kept] @ on_y - uy**2 / uu
        free = self.count[target] - len(kept) - 2
        told = (left > SMALLEST * cc) & (cc > 0) & (free > 0)
        safe = np.where(told, left, 1.0)
        unexplained = yy - cy**2 / safe
        # Where events are rare, rounding seems to explain more than there is.
        told &= (yy > 0) & (unexplained > -SMALLEST * yy)
        variance = np.where(told, np.maximum(unexplained, SMALLEST * yy), 1.0) / max(1.0, free)
        return np.where(told, cy / np.sqrt(safe * variance), 0.0)


def strongest(weights: np.ndarray, most: int = STRONG) -> np.ndarray:
    """Return the strongest sources of each target, int64 (targets, strong), real ones and not itself.

    Args:
        weights: (targets, sources), the targets being the first sources.
        most: How many, at most all others.
    """
    n = len(weights)
    among = np.where(np.eye(n, dtype=bool), -np.inf, weights[:, :n])
    return np.argsort(-among, axis=1, kind="stable")[:, : min(most, n - 1)].astype(np.int64)
