"""A cost of a model by its name in YAML: ``{cost: latency, options: {batch_size: 128}}``."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fulmen.costs import counted
from fulmen.costs.deployed import deployed
from fulmen.costs.interleaved import interleaved_ratio
from fulmen.costs.quiet import Quiet
from fulmen.errors import ConfigError, UserError

# Cost to its options and their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    "latency": {
        "batch_size": 1,
        "half_width": 0.03,
        "most_seconds": 10.0,
        "threads": 1,
        "quiet": True,
        "deployed": False,  # as it is shipped; see deployed.py
    },
    "flops": {"batch_size": 1},
    "parameters": {},
    "peak_memory": {"batch_size": 1},
}


def check(cost: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a cost, defaults filled in.

    Raises:
        ConfigError: there is no such cost or option.
    """
    if cost not in OPTIONS:
        raise ConfigError(f"objectives: no cost is called {cost!r}; there are {', '.join(OPTIONS)}.")
    if unknown := sorted(set(options) - set(OPTIONS[cost])):
        known = ", ".join(OPTIONS[cost]) or "none"
        raise ConfigError(f"objectives: cost {cost}: no option {unknown[0]!r}; it has {known}.")
    filled = {**OPTIONS[cost], **options}
    for name, kind, expected in (
        ("batch_size", int, "1 or more"),
        ("threads", int, "1 or more"),
        ("half_width", int | float, "a number above 0"),
        ("most_seconds", int | float, "a number above 0"),
    ):
        value = filled.get(name, 1)
        if not isinstance(value, kind) or isinstance(value, bool) or not 0 < value < math.inf:
            raise ConfigError(f"objectives: cost {cost}: {name}: expected {expected}, got {value!r:.60}.")
    for name in ("quiet", "deployed"):
        if name in filled and not isinstance(filled[name], bool):
            raise ConfigError(
                f"objectives: cost {cost}: {name}: expected true or false, got {filled[name]!r}."
            )
    return filled


def measure(
    cost: str, options: Mapping[str, Any], network: nn.Module, example: Tensor, reference: nn.Module
) -> dict[str, float]:
    """Measure a cost of a network.

    Args:
        cost: ``latency`` (a ratio to the reference's), ``flops``, ``parameters``, ``peak_memory`` (bytes).
        options: As `check` returns them.
        network: What is measured; left as it is.
        example: A batch of inputs, of which the first is repeated to the batch size; latency is that of the
            device that it is on.
        reference: What latency is measured by.

    Raises:
        ConfigError: the reference cannot be deployed, where ``deployed`` asks for it.
        UserError: the network cannot.

    Returns:
        The cost under ``""``, and what else was found, each under a name of its own.
    """
    if cost == "parameters":
        return {"": float(counted.parameters(network))}
    inputs = _batch(example, options["batch_size"])
    if cost in {"flops", "peak_memory"}:
        count = counted.flops if cost == "flops" else counted.peak_bytes
        return {"": float(count(copy.deepcopy(network).eval(), inputs))}
    return _latency(options, network, inputs, reference)


def _latency(
    options: Mapping[str, Any], network: nn.Module, inputs: Tensor, reference: nn.Module
) -> dict[str, float]:
    threads = torch.get_num_threads()
    torch.set_num_threads(options["threads"])
    quiet = Quiet()
    try:
        functions = [
            _forward(one, inputs) for one in _prepared(options["deployed"], network, inputs, reference)
        ]
        alone = options["threads"] == 1 and not inputs.is_cuda
        with quiet.measuring() if options["quiet"] else contextlib.nullcontext():
            ratio = interleaved_ratio(
                functions[0],
                functions[1],
                half_width=options["half_width"],
                most_seconds=options["most_seconds"],
                clock=time.thread_time if alone else time.perf_counter,
            )
    finally:
        quiet.close()
        torch.set_num_threads(threads)
    return {
        "": ratio.ratio,
        "half_width": ratio.half_width,
        "rounds": float(ratio.rounds),
        "seconds": ratio.seconds,
        "reference_seconds": ratio.reference_seconds,
    }


def _prepared(
    as_deployed: bool, network: nn.Module, inputs: Tensor, reference: nn.Module
) -> tuple[nn.Module, nn.Module]:
    network, reference = (copy.deepcopy(one).eval().to(inputs.device) for one in (network, reference))
    if not as_deployed:
        return network, reference
    try:
        reference = deployed(reference, inputs)
    except UserError as error:  # so it is for every candidate
        raise ConfigError(f"objectives: the config's own network: {error}") from error
    return deployed(network, inputs), reference


def _forward(network: nn.Module, inputs: Tensor) -> Callable[[], object]:
    def forward() -> object:
        with torch.inference_mode():
            result = network(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize()
        return result

    return forward


def _batch(example: Tensor, size: int) -> Tensor:
    return example[:1].repeat(size, *([1] * (example.dim() - 1))).contiguous()
