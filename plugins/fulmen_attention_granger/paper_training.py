"""The paper's protocol without a Trainer, within a given CPU time: for the benchmark of its claim.

60, 20 and 20 percent of the time for training, validation and test; mean squared error of the next row;
AdamW at 5e-4 with weight decay 1e-3, batches of 16; the rate is halved when the validation loss has not
fallen for 3 epochs, training ends when it has not for 10, or after 200; the best epoch counts. The matrix is
the mean over seeds of the test part's cross-attention. Seeds follow one another: side by side in one program
(`torch.func.vmap`) a step took 1.4 times as long for 5 neurons and twice as long for 20 on one CPU thread,
which each step alone keeps busy.

Source: arXiv:2311.06928 and its code, whose seeds are 10 to 19.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fulmen_attention_granger.paper_network import PaperDesign, PaperNetwork, paper_readout

CONTEXT, BATCH, RATE, DECAY, EPOCHS = 10, 16, 5e-4, 1e-3, 200
HALVE_AFTER, STOP_AFTER = 3, 10
SEEDS = tuple(range(10, 20))


@dataclass(frozen=True)
class PaperResult:
    """What the protocol gave.

    Attributes:
        attention: float64 (targets, sources), mean over seeds, 0 on the diagonal.
        epochs: Of each seed that was trained; fewer than asked for where the time was up.
        finished: Whether each of them ended by itself and not by the clock.
        r2: Of the test part, mean over seeds and neurons.
        seconds: CPU time.
    """

    attention: np.ndarray
    epochs: tuple[int, ...]
    finished: tuple[bool, ...]
    r2: float
    seconds: float


def train_by_protocol(series: np.ndarray, seconds: float, seeds: Sequence[int] = SEEDS) -> PaperResult:
    """Train as many of the seeds as the time allows, at least one.

    A seed is begun while at least as much time is left as the first one took.

    Args:
        series: float64 (time, neurons), z-scored, no gaps.
        seconds: CPU time for all.
        seeds: Of parameters, batches and dropout. The global random state is set by each.
    """
    start = time.process_time()
    values = torch.from_numpy(series.astype(np.float32))
    cuts = [0, round(0.6 * len(series)), round(0.8 * len(series)), len(series)]
    train, val, test = (_windows(values[a:b]) for a, b in itertools.pairwise(cuts))
    maps: list[np.ndarray] = []
    epochs: list[int] = []
    finished: list[bool] = []
    r2: list[float] = []
    for seed in seeds:
        spent = time.process_time() - start
        if maps and seconds - spent < spent / len(maps):
            break
        network, count, ended = _one(train, val, seed, start + seconds)
        maps.append(paper_readout(network, test[0]))
        epochs.append(count)
        finished.append(ended)
        r2.append(1 - _error(network, test) / float(test[1].var(0, unbiased=False).mean()))
    return PaperResult(
        np.mean(maps, 0), tuple(epochs), tuple(finished), float(np.mean(r2)), time.process_time() - start
    )


def _windows(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.unfold(0, CONTEXT, 1)[:-1].transpose(1, 2).contiguous(), values[CONTEXT:]


def _one(
    train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], seed: int, until: float
) -> tuple[PaperNetwork, int, bool]:
    """Return the best epoch's network, how many epochs it saw, and whether it ended by itself."""
    torch.manual_seed(seed)
    network = PaperNetwork(PaperDesign(train[1].shape[1]))
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=HALVE_AFTER)
    losses: list[float] = []
    state, since = copy.deepcopy(network.state_dict()), 0
    while len(losses) < EPOCHS:
        network.train()
        for chosen in torch.split(torch.randperm(len(train[0])), BATCH):
            optimiser.zero_grad()
            functional.mse_loss(network(train[0][chosen])[0], train[1][chosen]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if time.process_time() > until:
                break
        loss = _error(network, val)
        plateau.step(loss)
        since += 1
        if loss < min(losses, default=float("inf")):
            state, since = copy.deepcopy(network.state_dict()), 0
        losses.append(loss)
        if since >= STOP_AFTER or time.process_time() > until:
            break
    network.load_state_dict(state)
    return network.eval(), len(losses), since >= STOP_AFTER or len(losses) == EPOCHS


@torch.no_grad()
def _error(network: PaperNetwork, part: tuple[Tensor, Tensor]) -> float:
    network.eval()
    forecasts = torch.cat([network(context)[0] for context in torch.split(part[0], 256)])
    return float(functional.mse_loss(forecasts, part[1]))
