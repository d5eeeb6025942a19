"""How long networks take as they are shipped: a ratio to the reference, shipped alike, timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch._inductor import aoti_compile_and_package, aoti_load_package

from fulmen.costs.deployed import deployed
from fulmen.costs.interleaved import half_width_of_median, interleaved_ratio

# By batch size: ResNet-18 takes seconds for 128 images, and a round six of them.
LEAST_ROUNDS = {1: 15, 128: 5}

Forwards = Mapping[tuple[str, int], Callable[[], Tensor]]


def compiled(network: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what AOTInductor makes of the exported network, its weights laid out for the CPU beforehand.

    Raises:
        AssertionError: its scores are not the exported network's.
    """
    exported = deployed(network, images)
    with torch.no_grad():
        program = torch.export.export(exported, (images,))
        package = aoti_compile_and_package(program, inductor_configs={"freezing": True})
        made: Callable[[Tensor], Tensor] = aoti_load_package(package)
        torch.testing.assert_close(made(images), exported(images), rtol=1e-3, atol=1e-3)
    return made


FORMS: dict[str, Callable[[nn.Module, Tensor], Callable[[Tensor], Tensor]]] = {
    "": deployed,  # the prefix of its figures
    "compiled_": compiled,
}


def forwards(network: nn.Module) -> Forwards:
    """Return forward passes of each form and batch size, for images of shape (batch, 3, 100, 100)."""
    network = network.cpu().float().eval()
    found = {}
    for batch in LEAST_ROUNDS:
        images = torch.randn(batch, 3, 100, 100, generator=torch.Generator().manual_seed(0))
        for form, make in FORMS.items():
            found[form, batch] = _forward(make(network, images), images)
    return found


def single_ratio(
    network: Callable[[], Tensor], reference: Callable[[], Tensor], pairs: int = 60
) -> tuple[float, float]:
    """Return the ratio of single calls, each after one of the other, and half its 95 % interval as a share.

    What a user pays who classifies an image now and then: the reference's weights have put the network out
    of the cache. The median of the pairs' ratios.
    """
    found = []
    for number in range(pairs + 3):
        times = []
        for call in (network, reference):
            start = time.thread_time()
            call()
            times.append(time.thread_time() - start)
        if number >= 3:  # lazily built kernels
            found.append(times[0] / times[1])
    middle = float(np.median(found))
    return middle, half_width_of_median(np.sort(found)) / middle


def ratios(network: nn.Module, reference: Forwards, most_seconds: float = 10.0) -> dict[str, float]:
    """Return how much longer a network takes than the reference, for each batch size, on one thread.

    Args:
        network: For images of shape (n, 3, 100, 100).
        reference: Its `forwards`, made on one thread as well.
        most_seconds: For one form and batch size, if the ratio is not known to 3 % (95 % confidence) before.

    Returns:
        ``ratio_1``, ``half_width_1`` (of the interval, as a share), ``ms_1`` and ``reference_ms_1`` per image
        in CPU time of the exported networks, and the same with 128; with ``compiled_`` before each, of the
        compiled ones. ``single_ratio_1`` and its half-width are of single calls, see `single_ratio`.
    """
    found: dict[str, float] = {}
    for (form, batch), forward in forwards(network).items():
        measured = interleaved_ratio(
            forward,
            reference[form, batch],
            least_rounds=LEAST_ROUNDS[batch],
            most_seconds=most_seconds,
            clock=time.thread_time,
        )
        found |= {
            f"{form}ratio_{batch}": measured.ratio,
            f"{form}half_width_{batch}": measured.half_width,
            f"{form}ms_{batch}": 1e3 * measured.seconds / batch,
            f"{form}reference_ms_{batch}": 1e3 * measured.reference_seconds / batch,
        }
        if batch == 1:
            ratio, half_width = single_ratio(forward, reference[form, batch])
            found |= {f"{form}single_ratio_1": ratio, f"{form}single_half_width_1": half_width}
    return found


def _forward(shipped: Callable[[Tensor], Tensor], images: Tensor) -> Callable[[], Tensor]:
    def forward() -> Tensor:
        with torch.inference_mode():
            return shipped(images)

    return forward
