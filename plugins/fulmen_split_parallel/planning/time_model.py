"""Seconds of a step, from what is to be done and how fast it is done.

In data parallel, ranks meet once: when gradients are added up. When split they meet at each exchange, so a
step takes the slowest rank's time between each two. An exchange takes alpha + bytes * beta, with the bytes of
the rank that sends or receives most (Hockney, Parallel Computing 20(3), 1994); adding up gradients takes what
a ring does. Nothing is taken to overlap: a rank that makes its next mini-batch in a thread gains where it
has an idle core for it, in data parallel and split alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.rates import Rates
from fulmen_split_parallel.planning.steps import StepWork

ID_BYTES = 8
EXCHANGES_OF_IDS = 2  # a layer: how many are asked for, and which


def data_parallel_seconds(work: StepWork, shape: NetworkShape, rates: Rates, feature_bytes: int) -> float:
    """Return the seconds of a data-parallel step.

    Args:
        work: Counted by ``data_parallel_work``.
        shape: Of the network.
        rates: Of a rank.
        feature_bytes: Of a feature row where it is kept.
    """
    parts = work.inputs.size
    seconds = work.edges.sum(axis=0) / rates.sample + work.inputs * feature_bytes / rates.load
    for layer in range(len(work.edges)):
        seconds = seconds + _compute(work, layer, shape, rates)
    return float(seconds.max()) + _add_up(parts, shape, rates)


def split_seconds(work: StepWork, shape: NetworkShape, rates: Rates, feature_bytes: int) -> float:
    """Return the seconds of a split step; arguments as in `data_parallel_seconds`, work of ``split_work``."""
    parts = work.inputs.size
    total = float(work.inputs.max()) * feature_bytes / rates.load
    for layer in range(len(work.edges)):
        total += float(work.edges[layer].max()) / rates.sample
        total += float(_compute(work, layer, shape, rates).max())
        if parts == 1:
            continue
        most = float(np.maximum(work.sent[layer], work.received[layer]).max())
        total += EXCHANGES_OF_IDS * rates.link_latency + most * ID_BYTES / rates.link_bandwidth
        ways = 2 if layer or shape.kind == "gat" else 1  # features need no gradient, projected ones do
        size = most * shape.sent_width(layer) * shape.itemsize
        total += ways * (rates.link_latency + size / rates.link_bandwidth)
    if parts > 1:  # outputs come home, their gradients go back; they are few
        total += 2 * rates.link_latency
    return total + _add_up(parts, shape, rates)


def _compute(work: StepWork, layer: int, shape: NetworkShape, rates: Rates) -> NDArray[np.float64]:
    """Return each rank's seconds in a layer, forward and backward."""
    operations = shape.operations(layer, work.destinations[layer], work.rows[layer])
    touched = shape.aggregated_bytes(layer, work.edges[layer])
    seconds: NDArray[np.float64] = (
        operations / rates.multiply + touched / rates.aggregate + rates.layer_seconds
    )
    return seconds


def _add_up(parts: int, shape: NetworkShape, rates: Rates) -> float:
    if parts == 1:
        return 0.0
    latency = 2 * math.ceil(math.log2(parts)) * rates.link_latency
    return latency + 2 * (parts - 1) / parts * shape.parameter_bytes() / rates.link_bandwidth
