"""The paper's protocol without a Trainer, within a given CPU time: for the benchmark of its claim.

60, 20 and 20 percent of the time for training, validation and test; mean squared error of the next row;
AdamW at 5e-4 with weight decay 1e-3, batches of 16; the rate is halved when the validation loss has not
fallen for 3 epochs, training ends when it has not for 10, or after 200; the best epoch counts. The matrix is
the mean over seeds of the test part's cross-attention. On a CPU seeds follow one another: side by side in
one program (`torch.func.vmap`) a step took 1.4 times as long for 5 neurons and twice as long for 20 on one
thread, which each step alone keeps busy. On a GPU, which no step keeps busy, they go side by side, each on a
stream of its own.

Source: arXiv:2311.06928 and its code, whose seeds are 10 to 19.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fulmen_attention_granger.paper_network import PaperDesign, PaperNetwork, paper_readout
from fulmen_attention_granger.replay import Step, adamw, replayed

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
        seconds: CPU time; on a GPU, time by the clock.
    """

    attention: np.ndarray
    epochs: tuple[int, ...]
    finished: tuple[bool, ...]
    r2: float
    seconds: float


Part = tuple[Tensor, Tensor]  # contexts (n, CONTEXT, N) and the rows after them (n, N)


def train_by_protocol(
    series: np.ndarray, seconds: float, seeds: Sequence[int] = SEEDS, device: str = "cpu"
) -> PaperResult:
    """Train as many of the seeds as the time allows, at least one.

    On a CPU a seed is begun while at least as much time is left as the first one took. On a GPU all are
    trained, and cut short when the time is up.

    Args:
        series: float64 (time, neurons), z-scored, no gaps.
        seconds: For all seeds: CPU time, or time by the clock on a GPU. ``math.inf``: all train to their end.
        seeds: Of parameters, batches and dropout. The global random state is set by each.
        device: ``cpu`` or ``cuda``. A seed's parameters are the same on both; what dropout leaves out is
            drawn on the device, and the order of batches is drawn apart from it on a GPU.
    """
    where = torch.device(device)
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    start = clock()
    values = torch.from_numpy(series.astype(np.float32)).to(where)
    cuts = [0, round(0.6 * len(series)), round(0.8 * len(series)), len(series)]
    train, val, test = (_windows(values[a:b]) for a, b in itertools.pairwise(cuts))

    def over() -> bool:
        return clock() > start + seconds

    trained: list[_Training] = []
    if where.type == "cuda":
        trained = _together(train, val, seeds, over)
    else:
        for seed in seeds:
            spent = clock() - start
            if trained and seconds - spent < spent / len(trained):
                break
            trained += _together(train, val, [seed], over)
    variance = float(test[1].var(0, unbiased=False).mean())
    return PaperResult(
        attention=np.mean([paper_readout(one.network, test[0]) for one in trained], 0),
        epochs=tuple(one.epochs for one in trained),
        finished=tuple(one.ended for one in trained),
        r2=float(np.mean([1 - _error(one.network, test) / variance for one in trained])),
        seconds=clock() - start,
    )


def _windows(values: Tensor) -> Part:
    return values.unfold(0, CONTEXT, 1)[:-1].transpose(1, 2).contiguous(), values[CONTEXT:]


class _Training:
    """One seed: its network as training goes on, then that of its best epoch."""

    def __init__(self, seed: int, train: Part) -> None:
        device = train[0].device
        torch.manual_seed(seed)
        # On a CPU dropout draws from the stream that orders the batches, as in the authors' code.
        on_cpu = device.type == "cpu"
        self._stream = torch.default_generator if on_cpu else torch.Generator().manual_seed(seed)
        self._train = train
        self.network = PaperNetwork(PaperDesign(train[1].shape[1])).to(device)
        self._optimiser = adamw(self.network.parameters(), RATE, device, weight_decay=DECAY)
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._optimiser, factor=0.5, patience=HALVE_AFTER
        )
        self.epochs, self.ended = 0, False
        self._best, self._lowest, self._since = copy.deepcopy(self.network.state_dict()), math.inf, 0

    def order(self) -> Tensor:
        """Begin an epoch: return the order of its windows, int64 (n,)."""
        self.network.train()
        return torch.randperm(len(self._train[0]), generator=self._stream)

    def descend(self, chosen: Tensor) -> Tensor:
        """Do a step on the chosen windows and return its loss."""
        self._optimiser.zero_grad()
        loss = functional.mse_loss(self.network(self._train[0][chosen])[0], self._train[1][chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.detach()

    def validate(self, val: Part) -> None:
        """End an epoch."""
        loss = _error(self.network, val)
        self._plateau.step(loss)
        self.epochs, self._since = self.epochs + 1, self._since + 1
        if loss < self._lowest:
            self._best, self._lowest, self._since = copy.deepcopy(self.network.state_dict()), loss, 0
        self.ended = self._since >= STOP_AFTER or self.epochs == EPOCHS

    def take_best(self) -> _Training:
        """Put the best epoch's parameters back."""
        self.network.load_state_dict(self._best)
        self.network.eval()
        return self


def _together(train: Part, val: Part, seeds: Sequence[int], over: Callable[[], bool]) -> list[_Training]:
    """Train seeds until each has ended or time is over; one that has ended goes along, unseen."""
    device = train[0].device
    trainings = [_Training(seed, train) for seed in seeds]
    one_step = replayed(_at_once([training.descend for training in trainings], device), device)
    while True:
        orders = torch.stack([training.order() for training in trainings]).to(device)
        for chosen in torch.split(orders, BATCH, dim=1):
            one_step(chosen)
            if over():
                break
        for training in trainings:
            if not training.ended:
                training.validate(val)
        if over() or all(training.ended for training in trainings):
            return [training.take_best() for training in trainings]


def _at_once(steps: Sequence[Step], device: torch.device) -> Step:
    """Return what does a step of each seed on its row of windows (seeds, batch): on a GPU all at once."""
    if device.type == "cpu":
        return lambda chosen: torch.stack([step(one) for step, one in zip(steps, chosen, strict=True)])
    streams = [torch.cuda.Stream(device) for _ in steps]  # type: ignore[no-untyped-call]

    def all_steps(chosen: Tensor) -> Tensor:
        here, losses = torch.cuda.current_stream(device), []
        for step, one, stream in zip(steps, chosen, streams, strict=True):
            stream.wait_stream(here)
            with torch.cuda.stream(stream):
                losses.append(step(one))
        for stream in streams:
            here.wait_stream(stream)
        return torch.stack(losses)

    return all_steps


@torch.no_grad()
def _error(network: PaperNetwork, part: Part) -> float:
    network.eval()
    forecasts = torch.cat([network(context)[0] for context in torch.split(part[0], 256)])
    return float(functional.mse_loss(forecasts, part[1]))
