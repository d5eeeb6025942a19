"""Training steps that a GPU replays: kernels of networks so small run shorter than it takes to launch them.

A step of some hundred kernels is recorded once as a CUDA graph and launched as one from then on. On a CPU
a step is the function itself.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

Step = Callable[..., Tensor]
EAGER = 3  # steps before the recording: optimiser states and workspaces are made in them


def replayed(step: Step, device: torch.device) -> Step:
    """Return what does a step on a device.

    Args:
        step: Of tensors on the device; returns one without gradient. It may wait for nothing on the device,
            and leaves gradients to be made anew (``zero_grad`` first, its gradients set to None).
        device: Where it runs.

    Returns:
        A function of the same tensors. What it returns holds until the next call.
    """
    return _Replayed(step, device) if device.type == "cuda" else step


def adamw(
    parameters: Iterable[nn.Parameter], rate: float, device: torch.device, **options: object
) -> torch.optim.AdamW:
    """Return AdamW whose steps can be replayed on a GPU: there its rate is a tensor."""
    if device.type == "cuda":
        options |= {"fused": True, "capturable": True}
        return torch.optim.AdamW(parameters, torch.tensor(rate, device=device), **options)  # type: ignore[arg-type]
    return torch.optim.AdamW(parameters, rate, **options)  # type: ignore[arg-type]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of an optimiser, in place where it is a tensor."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


class _Replayed:
    def __init__(self, step: Step, device: torch.device) -> None:
        self._step, self._device, self._done = step, device, 0
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._result = torch.empty(0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        with torch.cuda.device(self._device):
            return self._one(inputs)

    def _one(self, inputs: tuple[Tensor, ...]) -> Tensor:
        if self._graph is not None and [x.shape for x in inputs] != [x.shape for x in self._inputs]:
            return self._step(*inputs)  # the last, smaller batch of an epoch
        if self._graph is None and self._done < EAGER:
            self._done += 1
            return self._aside(inputs)
        if self._graph is None:
            self._record(inputs)
        assert self._graph is not None
        for held, given in zip(self._inputs, inputs, strict=True):
            held.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._result

    def _aside(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Do a step on a stream of its own, as what is recorded afterwards must have been done before."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = self._step(*inputs)
        current.wait_stream(self._stream)
        return result

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(x.clone() for x in inputs)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):  # records, and does not run
            self._result = self._step(*self._inputs)
        self._graph = graph
