"""Networks of neurons, recorded: the series, the truth and where they are from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fulmen_attention_granger.recordings import Recordings, default_names
from fulmen_attention_granger.systems import graded, izhikevich
from fulmen_attention_granger.systems.connectome import Wiring, read_wiring
from fulmen_attention_granger.systems.observation import calcium
from fulmen_attention_granger.systems.recorded import halves_of_time, random_order
from fulmen_attention_granger.systems.wiring import random_graph, share_a_parent

EXCITATORY = 0.8  # share of excitatory neurons, as in the paper


def spiking_network(
    neurons: int = 20,
    density: float = 0.2,
    samples: int = 5000,
    synapse: float = izhikevich.SYNAPSE,
    wiring: str = "random",
    connectome: Path | None = None,
    every: int = 1,
    hidden: float = 0.0,
    observation: str = "voltage",
    switch: bool = False,
    seed: int = 0,
) -> Recordings:
    """Record the paper's spiking network.

    Args:
        neurons: That are simulated; the last fifth of them is inhibitory.
        density: Probability of each edge, 0 to 1.
        samples: Milliseconds that are simulated.
        synapse: What a spike adds to the input of those that it reaches; 5 in the paper.
        wiring: ``random`` or ``celegans``: the best connected neurons of the worm, GABA ones inhibitory.
        connectome: The file of the latter; None: of the installed package ``cect``.
        every: Keep each so-manyth millisecond.
        hidden: Share of the neurons that are not recorded, 0 to below 1, chosen at random.
        observation: ``voltage`` (mV) or ``calcium``.
        switch: Whether another random graph holds from the middle of the time on.
        seed: Of everything.

    Returns:
        The recordings; ``truths`` holds ``signs`` (+1 excites, -1 inhibits), the two halves' graphs after
        a switch, and ``confounded`` where neurons are hidden: pairs that share a hidden parent.
    """
    wired = _wired(neurons, density, wiring, connectome, seed)
    graphs = [wired.graph]
    if switch:
        graphs.append(random_graph(neurons, density, seed, "spiking_network", "second half"))
    sign = np.where(wired.inhibitory, -1.0, 1.0)
    cells = izhikevich.draw_neurons(wired.inhibitory, seed)
    synapses = np.stack([synapse * graph * sign for graph in graphs])
    x = izhikevich.simulate(cells, synapses, samples, seed)
    x = np.ascontiguousarray((calcium(x, seed) if observation == "calcium" else x)[::every])
    either = np.logical_or.reduce(graphs)
    recordings = Recordings(
        (x,),
        wired.names,
        either,
        interval=float(every),
        source=f"spiking_network ({wiring}, {observation}, seed {seed})",
        truths={"signs": either * sign, **halves_of_time(graphs)},
    )
    return _hide(recordings, hidden, seed) if hidden > 0 else recordings


def graded_network(
    neurons: int = 20,
    density: float = 0.2,
    samples: int = 2000,
    gain: float = 1.0,
    wiring: str = "random",
    connectome: Path | None = None,
    seed: int = 0,
) -> Recordings:
    """Record neurons without spikes; ``gain``: ``graded.simulate``; the rest: ``spiking_network``."""
    wired = _wired(neurons, density, wiring, connectome, seed)
    sign = np.where(wired.inhibitory, -1.0, 1.0)
    x = graded.simulate(wired.graph * sign, samples, gain, seed)
    source = f"graded_network ({wiring}, seed {seed})"
    return Recordings((x,), wired.names, wired.graph, source=source, truths={"signs": wired.graph * sign})


def _wired(neurons: int, density: float, wiring: str, connectome: Path | None, seed: int) -> Wiring:
    if wiring == "celegans":
        return read_wiring(neurons, connectome)
    inhibitory = np.arange(neurons) >= int(EXCITATORY * neurons)
    graph = random_graph(neurons, density, seed, "spiking_network")
    return Wiring(default_names(neurons), graph, inhibitory)


def _hide(recordings: Recordings, share: float, seed: int) -> Recordings:
    count = recordings.variables
    hidden = np.zeros(count, dtype=bool)
    hidden[random_order(count, seed, "hidden neurons")[: round(share * count)]] = True
    assert recordings.graph is not None
    confounded = share_a_parent(recordings.graph, hidden)
    seen = recordings.choose(np.flatnonzero(~hidden).tolist())
    return Recordings(
        seen.trials,
        seen.names,
        seen.graph,
        seen.interval,
        seen.source,
        {**seen.truths, "confounded": confounded},
    )
