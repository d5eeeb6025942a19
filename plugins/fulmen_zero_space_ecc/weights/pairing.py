"""Finds the convolutions whose output goes to one batch normalisation and nowhere else."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The names of a convolution and of the batch normalisation that alone takes its output."""

    convolution: str
    normalisation: str


def find_pairs(model: nn.Module) -> list[Pair]:
    """Return the pairs of convolution and batch normalisation that can be folded into one.

    Args:
        model: Any module; its code is traced symbolically (torch.fx), on a copy, without data.
            Where a module's own code cannot be traced, its children are traced on their own.

    Returns:
        Pairs in the order of execution. Left out, since folding could change the function: a
        convolution whose output is used elsewhere too, a layer that is called more than once, shares
        its parameters or has a forward of its own, a normalisation without affine parameters or
        running statistics, and whatever could not be traced.
    """
    graphs = list(_graphs("", model))
    calls = Counter(name for graph in graphs for name in graph.called)
    shared = _sharing(model)
    modules = dict(model.named_modules())
    return [
        pair
        for graph in graphs
        for pair in graph.pairs
        if calls[pair.convolution] == calls[pair.normalisation] == 1
        and not shared & {pair.convolution, pair.normalisation}
        and _is_foldable(modules[pair.convolution], modules[pair.normalisation])
    ]


def unpaired(model: nn.Module, pairs: list[Pair]) -> list[str]:
    """Return the names of the batch normalisations that are in no pair."""
    paired = {pair.normalisation for pair in pairs}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and name not in paired
    ]


@dataclass
class _Graph:
    called: list[str]
    pairs: list[Pair]


class _Tracer(fx.Tracer):
    """Looks into every module but the layers that pairs are made of, user-defined ones included."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*CONVOLUTIONS, _BatchNorm)) or super().is_leaf_module(m, module_qualified_name)


def _graphs(prefix: str, module: nn.Module) -> Iterator[_Graph]:
    """Trace a module, and on their own those of its children that the trace did not reach."""
    if not any(isinstance(child, _BatchNorm) for child in module.modules()):
        return
    graph = _trace(prefix, module)
    if graph is not None:
        yield graph
    reached = graph.called if graph is not None else []
    for name, child in module.named_children():
        full_name = f"{prefix}{name}"
        if not any(called == full_name or called.startswith(f"{full_name}.") for called in reached):
            yield from _graphs(f"{full_name}.", child)


def _trace(prefix: str, module: nn.Module) -> _Graph | None:
    if isinstance(module, _BatchNorm):
        return None
    try:
        # Tracing runs the module's Python code: on a copy, and without moving the random state.
        with torch.random.fork_rng(devices=[]):
            nodes = _Tracer().trace(copy.deepcopy(module)).nodes
    except Exception:  # whatever a user's forward may raise on a symbolic value
        return None
    calls = [node for node in nodes if node.op == "call_module"]
    return _Graph([f"{prefix}{node.target}" for node in calls], list(_pairs(prefix, module, calls)))


def _pairs(prefix: str, module: nn.Module, calls: list[fx.Node]) -> Iterator[Pair]:
    for node in calls:
        producer = node.args[0] if node.args else None
        if (
            isinstance(producer, fx.Node)
            and producer.op == "call_module"
            and len(producer.users) == 1
            and isinstance(module.get_submodule(str(node.target)), _BatchNorm)
            and isinstance(module.get_submodule(str(producer.target)), CONVOLUTIONS)
        ):
            yield Pair(f"{prefix}{producer.target}", f"{prefix}{node.target}")


def _sharing(model: nn.Module) -> set[str]:
    """Name the modules that are registered twice or share a parameter with another."""
    names: dict[int, set[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        for tensor in (module, *module._parameters.values()):
            if tensor is not None:
                names.setdefault(id(tensor), set()).add(name)
    return {name for sharers in names.values() if len(sharers) > 1 for name in sharers}


def _is_foldable(convolution: nn.Module, normalisation: nn.Module) -> bool:
    assert isinstance(normalisation, _BatchNorm)
    # A subclass with a forward of its own may standardise its weights, which undoes a folded factor.
    plain = {kind.forward for kind in (*CONVOLUTIONS, _BatchNorm, nn.SyncBatchNorm)}
    return (
        normalisation.affine
        and normalisation.running_mean is not None
        and {type(convolution).forward, type(normalisation).forward} <= plain
    )
