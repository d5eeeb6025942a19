"""Systems without neurons, recorded: the series, the truth and where they are from."""

from __future__ import annotations

import numpy as np

from fulmen_attention_granger.recordings import Recordings, default_names
from fulmen_attention_granger.systems import drivers, henon, linear_var, lorenz96, nonlinear_var, nulls
from fulmen_attention_granger.systems.wiring import random_graph, share_a_parent


def lorenz_96(
    variables: int = 20,
    samples: int = 1000,
    forcing: float = 40.0,
    interval: float = 0.1,
    noise: float = 0.1,
    seed: int = 0,
) -> Recordings:
    """Record Lorenz-96; see ``lorenz96.simulate``."""
    x = lorenz96.simulate(variables, samples, forcing, interval, noise, seed)
    source = f"lorenz96 (F {forcing:g}, seed {seed})"
    return Recordings((x,), default_names(variables), lorenz96.graph(variables), interval, source)


def linear_autoregression(
    variables: int = 20,
    samples: int = 1000,
    lags: int = 3,
    parents: int = 3,
    noise: float = 0.1,
    switch: bool = False,
    seed: int = 0,
) -> Recordings:
    """Record a sparse linear VAR; see ``linear_var``.

    With ``switch`` another graph holds from the middle of the time on; ``graph`` is then every edge of
    either half, and ``truths`` holds the two.
    """
    halves = [
        linear_var.draw_coefficients(variables, lags, parents, seed, half) for half in range(1 + switch)
    ]
    x = linear_var.simulate(np.stack(halves), samples, noise, seed)
    graphs = [_without_diagonal(half[0] != 0) for half in halves]
    return Recordings(
        (x,),
        default_names(variables),
        np.logical_or.reduce(graphs),
        source=f"linear_var (seed {seed})",
        truths=halves_of_time(graphs),
    )


def coupled_henon(maps: int = 15, samples: int = 1000, coupling: float = 0.3, seed: int = 0) -> Recordings:
    """Record a chain of Hénon maps; see ``henon.simulate``."""
    x = henon.simulate(maps, samples, coupling, seed)
    return Recordings((x,), default_names(maps), henon.graph(maps), source=f"henon (seed {seed})")


def nonlinear_autoregression(
    variables: int = 15,
    samples: int = 1000,
    density: float = 0.15,
    lags: int = 2,
    noise: float = 0.5,
    seed: int = 0,
) -> Recordings:
    """Record a nonlinear VAR on a random graph; see ``nonlinear_var.simulate``."""
    graph = random_graph(variables, density, seed, "nonlinear_var")
    x = nonlinear_var.simulate(graph, lags, samples, noise, seed)
    return Recordings((x,), default_names(variables), graph, source=f"nonlinear_var (seed {seed})")


def unconnected(
    variables: int = 20, samples: int = 1000, kind: str = "linear", memory: float = 0.9, seed: int = 0
) -> Recordings:
    """Record series that do not drive each other; see ``nulls.simulate``. The graph is empty."""
    x = nulls.simulate(kind, variables, samples, memory, seed)
    graph = np.zeros((variables, variables), dtype=bool)
    return Recordings((x,), default_names(variables), graph, source=f"unconnected, {kind} (seed {seed})")


def common_driver(targets: int = 11, samples: int = 1000, edges: float = 0.0, seed: int = 0) -> Recordings:
    """Record one driver and its targets; see ``drivers.simulate``.

    Args:
        targets: That the driver, ``x0``, reaches after 1 to 3 steps.
        samples: Rows.
        edges: Density of further edges among the targets, 0 to 1.
        seed: Of everything.
    """
    graph = np.zeros((targets + 1, targets + 1), dtype=bool)
    graph[1:, 1:] = random_graph(targets, edges, seed, "common_driver")
    graph[1:, 0] = True
    x = drivers.simulate(graph, samples, seed)
    return Recordings((x,), default_names(targets + 1), graph, source=f"common_driver (seed {seed})")


def hidden_drivers(
    variables: int = 10,
    samples: int = 1000,
    hidden: int = 3,
    children: int = 4,
    edges: float = 0.1,
    seed: int = 0,
) -> Recordings:
    """Record variables some of which share a parent that was not recorded.

    Args:
        variables: That are seen.
        samples: Rows.
        hidden: How many parents are not seen.
        children: Of each hidden parent, 2 to ``variables``.
        edges: Density of true edges among the seen, 0 to 1; none between two children of one parent, so
            that a pair is either confounded or an edge.
        seed: Of everything.

    Returns:
        The seen variables; ``truths["confounded"]`` says which pairs share a hidden parent.
    """
    total = variables + hidden
    graph = np.zeros((total, total), dtype=bool)
    for parent in range(variables, total):
        order = random_order(variables, seed, parent)
        graph[order[:children], parent] = True
    unseen = np.arange(total) >= variables
    confounded = share_a_parent(graph, unseen)
    graph[:variables, :variables] = random_graph(variables, edges, seed, "hidden_drivers") & ~confounded
    x = drivers.simulate(graph, samples, seed)[:, :variables]
    return Recordings(
        (np.ascontiguousarray(x),),
        default_names(variables),
        graph[:variables, :variables],
        source=f"hidden_drivers (seed {seed})",
        truths={"confounded": confounded},
    )


def random_order(count: int, seed: int, *what: str | int) -> np.ndarray:
    """Return 0 ... count - 1 in a random order."""
    from fulmen_attention_granger.systems.streams import stream

    return stream(seed, "order", *what).permutation(count)


def halves_of_time(graphs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Name the graphs of the two halves of the time; nothing where one graph holds throughout."""
    return (
        dict(zip(("graph_first_half", "graph_second_half"), graphs, strict=True)) if len(graphs) == 2 else {}
    )


def _without_diagonal(graph: np.ndarray) -> np.ndarray:
    return graph & ~np.eye(len(graph), dtype=bool)
