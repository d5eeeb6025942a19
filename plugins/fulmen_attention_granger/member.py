"""Members: networks trained with a stretch of time kept out, then read on that stretch. A piece of `map`."""

from __future__ import annotations

import hashlib
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fulmen_attention_granger import readouts
from fulmen_attention_granger.knockout import Knockouts, block_starts, knock_out, lag_strengths, mean_values
from fulmen_attention_granger.network import Design, KnockoutAttention, one_member
from fulmen_attention_granger.packing import pack, unpack
from fulmen_attention_granger.phantoms import phantom_copies
from fulmen_attention_granger.refit import RefitSums, strongest
from fulmen_attention_granger.training import Schedule, train
from fulmen_attention_granger.windows import Fold, Windows, folds, windows

LONG = 2500  # windows from which on there is enough to train longer, in larger batches
SPAN = 8.0  # deviations within which hidden units may bend: a single outlier shall not draw them all
BLOCKS = 12  # of held-out time per fold
READ_PAIRS = 50_000_000  # pairs times held-out windows per fold: beyond, every second window is read, ...
FEWEST_READ = 100  # of a fold's held-out windows, however many pairs there are
STRETCH = 50  # steps whose draws go to a GPU at once
READ_WINDOWS = 400  # windows for read-outs that need not see them all


@dataclass(frozen=True)
class Members:
    """What is to be trained.

    Attributes:
        lags: Rows of history.
        nonlinear: With MLPs.
        variance: With a variance head.
        seed: Of parameters, batches, knock-outs and phantoms.
        held_out: Which folds are held out, one member each: they are trained side by side, as one
            program, which takes half the time for short recordings.
        folds: Of how many.
        share: Of all windows that a fold holds out.
        phantoms: How many shifted copies of all series are sources too.
        effort: Factor on the number of steps.
    """

    lags: int
    nonlinear: bool
    variance: bool
    seed: int
    held_out: Sequence[int]
    folds: int
    share: float
    phantoms: int = 0
    effort: float = 1.0


@dataclass(frozen=True)
class Reading:
    """What a trained member says; arrays are (targets, sources), phantoms behind the variables.

    Attributes:
        knockouts: On held-out time.
        attention: ``readouts.raw_attention``.
        weighted: ``readouts.weighted_attention``.
        refitted: ``refit.RefitSums.t_values``.
        scaled_loss: ``refit.RefitSums.scaled_loss``, (targets,).
        gradient: ``readouts.gradient``.
        lag_strength: ``knockout.lag_strengths`` of the variables, (targets, variables, lags).
        rows: int64 (blocks, 3): trial, first and last row of each block of ``knockouts``.
        residual_correlation: (targets, targets) of held-out forecast errors.
        training_loss: Of the last tenth of the steps.
        seconds: CPU time of training and reading; members trained side by side share it.
    """

    knockouts: Knockouts
    attention: np.ndarray
    weighted: np.ndarray
    refitted: np.ndarray
    scaled_loss: np.ndarray
    gradient: np.ndarray
    lag_strength: np.ndarray
    rows: np.ndarray
    residual_correlation: np.ndarray
    training_loss: float
    seconds: float = 0.0


def schedule(member: Members, variables: int, train_windows: int) -> Schedule:
    """Return how a member is trained: one formula for all data, nothing chosen by a truth.

    The penalty is ``c (log(N^2) / n)^.5``, the universal threshold for N^2 pairs and n samples.
    """
    long = train_windows > LONG
    return Schedule(
        steps=max(20, round((1600 if long and variables > 25 else 800 if long else 600) * member.effort)),
        rate=4e-2 if long else 1e-2,
        decay=0.01 if long else 0.3,
        penalty=(0.16 if member.nonlinear else 0.5)
        * math.sqrt(math.log(max(2, variables) ** 2) / train_windows),
    )


def run_members(
    trials: Sequence[np.ndarray], item: dict[str, Any], device: str = "cpu"
) -> list[dict[str, Any]]:
    """Train and read members; plain data in and out.

    Args:
        trials: z-scores, each (time, variables), NaN = missing.
        item: The fields of `Members`.
        device: ``cpu``, or ``cuda`` with or without a number. Parameters, batches, knock-outs and phantoms
            are drawn on the CPU and moved, so that all devices see the same draws.
    """
    return [_plain(reading) for reading in read_members(trials, Members(**item), torch.device(device))]


def read_members(
    trials: Sequence[np.ndarray], members: Members, device: torch.device | None = None
) -> list[Reading]:
    """Train and read members, one reading a fold held out. The global random state stays as it was.

    Args:
        trials: As in `run_members`.
        members: What is to be trained.
        device: Where; None: the CPU.
    """
    start = time.process_time()
    cut, parts = cut_windows(trials, members)
    cut = cut if device is None else cut.to(device)
    network, losses = trained(cut, parts, members)
    readings = [
        _read(one_member(network, index), cut, fold, loss)
        for index, (fold, loss) in enumerate(zip(parts, losses, strict=True))
    ]
    seconds = (time.process_time() - start) / len(readings)
    return [replace(reading, seconds=seconds) for reading in readings]


def cut_windows(trials: Sequence[np.ndarray], members: Members) -> tuple[Windows, list[Fold]]:
    """Return the windows of all sources, phantoms included, and the folds that are held out."""
    copies = []
    if members.phantoms:
        generator = np.random.default_rng(key(members.seed, "phantoms"))
        copies = [phantom_copies(trials, generator) for _ in range(members.phantoms)]
    cut = windows(trials, members.lags, copies)
    every = folds(len(cut), members.folds, members.lags, members.share)
    return cut, [every[index] for index in members.held_out]


def _read(network: KnockoutAttention, cut: Windows, fold: Fold, loss: float) -> Reading:
    variables, lags = cut.targets, cut.lags
    trained_on = cut.history[_spread(fold.train, 1000)]
    mean = mean_values(network, trained_on)
    refit = RefitSums(strongest(readouts.weighted_attention(network, trained_on)), cut.sources, lags)
    tested = _spread(fold.held_out, max(FEWEST_READ, READ_PAIRS // (variables * cut.sources)))
    history, future, known = cut.history[tested], cut.future[tested], cut.known[tested]
    read = tested.numpy()
    starts = block_starts(cut.trial[read], max(4 * lags, 8, len(tested) // BLOCKS))
    knockouts = knock_out(network, mean, history, future, known, starts, lags, refit)
    few = _spread(fold.held_out, max(20, READ_WINDOWS * 20 // max(20, variables)))
    stops = np.r_[starts[1:], len(tested)] - 1
    lag_strength = lag_strengths(network, cut.history[few], cut.future[few], cut.known[few], lags)
    return Reading(
        knockouts=knockouts,
        attention=readouts.raw_attention(network),
        weighted=readouts.weighted_attention(network, cut.history[few]),
        refitted=refit.t_values(),
        scaled_loss=refit.scaled_loss(),
        gradient=readouts.gradient(network, cut.history[few[:200]], lags),
        lag_strength=lag_strength[:, :variables],
        rows=np.stack([cut.trial[read[starts]], cut.row[read[starts]], cut.row[read[stops]]], 1),
        residual_correlation=_residual_correlation(network, history, future, known),
        training_loss=loss,
    )


def trained(cut: Windows, parts: Sequence[Fold], members: Members) -> tuple[KnockoutAttention, list[float]]:
    """Return networks trained on the windows of each fold, side by side, and their last training losses."""
    design = Design(cut.targets, cut.sources, cut.history.shape[-1], members.nonlinear, members.variance)
    low, high = float(cut.history.min()), float(cut.history.max())
    parameters = [key(members.seed, "parameters", fold) for fold in members.held_out]
    network = KnockoutAttention(design, parameters, (max(low, -SPAN), min(high, SPAN)))
    network = network.to(cut.history.device)
    plan = schedule(members, cut.targets, min(len(part.train) for part in parts))
    # A stream of its own for each member: it is the same whether trained alone or beside others.
    streams = [torch.Generator().manual_seed(key(members.seed, "draws", fold)) for fold in members.held_out]
    draws = _moved(_draws(parts, streams, plan, cut.sources), plan.steps, cut.history.device)

    def batch(step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        chosen, keep = next(draws)
        return cut.history[chosen], cut.future[chosen], cut.known[chosen], keep.float()

    return network, train(network, batch, plan)


def _draws(
    parts: Sequence[Fold], streams: Sequence[torch.Generator], plan: Schedule, sources: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, step by step, each member's windows (K, B) and the sources it keeps (K, B, M), on the CPU."""
    windows_of = [torch.from_numpy(part.train) for part in parts]
    while True:
        drawn, keep = [], []
        for train_windows, stream in zip(windows_of, streams, strict=True):
            drawn.append(train_windows[torch.randint(0, len(train_windows), (plan.batch,), generator=stream)])
            rate = 2 * plan.knockouts * torch.rand(plan.batch, 1, generator=stream)
            keep.append(torch.rand(plan.batch, sources, generator=stream) > rate)
        yield torch.stack(drawn), torch.stack(keep)


def _moved(
    draws: Iterator[tuple[Tensor, Tensor]], steps: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the draws of so many steps on a device: to a GPU a stretch at once, so that no step waits."""
    if device.type == "cpu":
        yield from itertools.islice(draws, steps)
        return
    for start in range(0, steps, STRETCH):
        drawn, kept = zip(*itertools.islice(draws, min(STRETCH, steps - start)), strict=True)
        yield from zip(torch.stack(drawn).to(device), torch.stack(kept).to(device), strict=True)


def reading_of(plain: dict[str, Any]) -> Reading:
    """Return the reading that `run_members` gave as plain data."""
    values: dict[str, Any] = {
        name: unpack(value) if isinstance(value, dict) else value for name, value in plain.items()
    }
    knockouts = Knockouts(**{name: values.pop(name) for name in Knockouts.__dataclass_fields__})
    return Reading(knockouts=knockouts, **values)


def plain_members(members: Members) -> dict[str, Any]:
    """Return members as the item of a `map`."""
    return asdict(members)


def key(seed: int, *what: str | int) -> int:
    """Return the seed of one thing that is drawn, whoever draws it and in whatever order."""
    digest = hashlib.blake2b(repr((int(seed), *what)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "little")


def _plain(reading: Reading) -> dict[str, Any]:
    values = {**vars(reading), **vars(reading.knockouts)}
    del values["knockouts"]
    packed = {}
    for name, value in values.items():
        # float32 is finer than any of these figures is certain
        small = (
            value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value
        )
        packed[name] = pack(small) if isinstance(small, np.ndarray) else small
    return packed


def _spread(indices: np.ndarray, most: int) -> Tensor:
    """Return at most so many of the indices, evenly spread."""
    step = max(1, math.ceil(len(indices) / most))
    return torch.from_numpy(indices[::step])


@torch.no_grad()
def _residual_correlation(
    network: KnockoutAttention, history: Tensor, future: Tensor, known: Tensor
) -> np.ndarray:
    forecasts = [network(part[None]) for part in torch.split(history, 512)]
    error = (future - torch.cat([forecast.mean[0] for forecast in forecasts])) * known
    if forecasts[0].log_variance is not None:
        logs = [forecast.log_variance[0] for forecast in forecasts if forecast.log_variance is not None]
        error = error * torch.exp(-0.5 * torch.cat(logs))  # else a few spikes would make the correlation
    cross = error.T @ error
    scale = cross.diagonal().clamp_min(1e-12).sqrt()
    correlation: np.ndarray = (cross / scale / scale[:, None]).double().cpu().numpy()
    return correlation
