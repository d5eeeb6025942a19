"""Measures the rates of this machine on the very graph, mini-batches and convolution that are planned for."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from scipy.optimize import nnls

from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.single import layer_of
from fulmen_split_parallel.networks.stack import Stack, gat, sage
from fulmen_split_parallel.planning.link import measured_link
from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.rates import Rates
from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.feature_rows import FeatureRows
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.sampler import Sampler
from fulmen_split_parallel.sampling.seeds import seed_batches

REPETITIONS = 3
LEAST_LEFT = 0.1  # of a layer's seconds, for what is not a matrix product
FRACTIONS = (2, 8, 32)  # of a mini-batch's seeds: rates are to hold for the shares of many ranks too


def measured_rates(
    sampler: Sampler,
    shape: NetworkShape,
    fanouts: Sequence[int],
    batch_size: int,
    seed: int,
    device: torch.device,
    given: dict[str, float],
) -> Rates:
    """Return the rates of one rank: those that are given, the others measured.

    Ranks share a host's cores, so computing on a CPU is measured with one thread. Global random streams are
    left as they were.

    Args:
        sampler: Of the training; its graph has the features.
        shape: Of the network.
        fanouts: Seeds' layer first.
        batch_size: Global.
        seed: Of the run.
        device: Where ranks compute.
        given: Rates of other hardware, by their names.

    Raises:
        PlanError: a given rate makes no sense, or there is no second process to measure the link with.
    """
    rates = dict(given)
    batches: list[list[Block]] = []
    seconds, edges, loads = [], [], []
    features = FeatureRows(sampler.graph.features)
    seeds = next(islice(seed_batches(sampler.graph.train_idx, batch_size, seed=seed, epoch=0), 1))
    if {"sample", "load", "multiply", "aggregate", "layer_seconds"} - set(given):
        for fraction in FRACTIONS:
            own = np.ascontiguousarray(seeds[::fraction])
            for step in range(REPETITIONS):
                started = time.perf_counter()
                blocks = sample_blocks(sampler, own, fanouts, seed=seed, epoch=0, step=step)
                seconds.append(time.perf_counter() - started)
                edges.append(sum(block.num_edges for block in blocks))
                started = time.perf_counter()
                taken = features.take(blocks[0].sources)
                loads.append((time.perf_counter() - started) / taken.nbytes)
            batches.append(blocks)
        rates.setdefault("sample", 1 / statistics.median(np.divide(seconds, np.maximum(edges, 1))))
        rates.setdefault("load", 1 / statistics.median(loads))
    if {"multiply", "aggregate", "layer_seconds"} - set(given):
        for name, value in _compute_rates(batches, sampler, shape, device).items():
            rates.setdefault(name, value)
    if {"link_latency", "link_bandwidth"} - set(given):
        latency, bandwidth = measured_link()
        rates.setdefault("link_latency", latency)
        rates.setdefault("link_bandwidth", bandwidth)
    return Rates(**rates)


def _compute_rates(
    batches: Sequence[Sequence[Block]], sampler: Sampler, shape: NetworkShape, device: torch.device
) -> dict[str, float]:
    """Time products by themselves, then fit what is left of layers by bytes / aggregate + layer_seconds."""
    touched, left, products = [], [], []
    with _one_thread(), torch.random.fork_rng():
        make = sage() if shape.kind == "sage" else gat(shape.heads)
        hidden = shape.widths[1] if len(shape.widths) > 2 else shape.widths[-1]
        network = Stack(make, shape.widths[0], hidden, shape.widths[-1], len(shape.widths) - 1).to(device)
        for blocks in batches:
            for layer, block in enumerate(blocks):
                destinations, sources = np.array([block.num_destinations]), np.array([len(block.sources)])
                operations = float(shape.operations(layer, destinations, sources)[0])
                products.append(_product_rate(int(sources[0]), shape.widths[layer : layer + 2], device))
                planned = layer_of(block, sampler.graph).to(device)
                whole = _seconds(_step(network, layer, planned, shape.widths[layer], device), device)
                # A product that is faster within the layer than by itself must not leave less than nothing.
                left.append(max(whole - operations / products[-1], LEAST_LEFT * whole))
                touched.append(float(shape.aggregated_bytes(layer, np.array([block.num_edges]))[0]))
    causes, times = np.array([touched, np.ones(len(touched))]).T, np.array(left)
    # Relative errors count: small layers matter where ranks are many. Columns are scaled to be alike.
    scale = causes.max(axis=0)
    solution, _ = nnls(causes / scale / times[:, None], np.ones(len(times)))
    a_byte, a_layer = solution / scale
    return {
        "multiply": statistics.median(products),
        # Where layers are so small that their bytes do not show, they are as good as free.
        "aggregate": 1 / max(a_byte, 1e-15),
        "layer_seconds": float(a_layer),
    }


def _product_rate(rows: int, widths: Sequence[int], device: torch.device) -> float:
    """Return the operations a second of a matrix product of a layer's shape."""
    before, after = widths
    one, other = torch.randn(rows, before, device=device), torch.randn(before, after, device=device)

    def run() -> None:
        one @ other

    return 2 * rows * before * after / _seconds(run, device)


def _step(
    network: Stack, index: int, layer: GraphLayer, width: int, device: torch.device
) -> Callable[[], None]:
    """Return one layer's forward and backward pass on rows that are there."""
    rows = torch.randn(len(layer.sources), width, device=device, requires_grad=index > 0)

    def run() -> None:
        new = network.pull(index, rows, rows[: layer.num_destinations], layer)
        new.sum().backward()  # type: ignore[no-untyped-call]

    return run


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    """Return the least of some runs, the first left out: other programs make runs slower, none faster."""
    times = []
    for _ in range(REPETITIONS + 1):
        started = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
