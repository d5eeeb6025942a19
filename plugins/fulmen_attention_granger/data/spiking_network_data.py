"""The paper's networks of spiking neurons."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fulmen.errors import ConfigError
from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded_networks import spiking_network


class SpikingNetwork(SimulatedData):
    """Membrane potentials of Izhikevich neurons, four in five excitatory, on a random graph.

    The paper has 5, 10, 20 and 40 neurons, densities .2 to .8 and 5,000 ms. Spikes are clipped at 30 mV.

    Args:
        neurons: How many are simulated, 2 or more.
        density: Probability of each edge, 0 to 1.
        samples: Milliseconds that are simulated.
        synapse: What a spike adds to the input of those that it reaches (5 in the paper; 2 is weak).
        wiring: ``random``, or ``celegans``: the best connected neurons of the worm, those that release
            GABA inhibitory; density is then the worm's.
        connectome: File of the worm's wiring; None: of the installed package cect.
        every: Keep each so-manyth millisecond: 4 misses most spikes.
        hidden: Share of the neurons that are not recorded, 0 to .9.
        observation: ``voltage``, or ``calcium``: a dye that each spike lights up and that fades in 100 ms.
        switch: Whether another random graph holds in the second half of the time.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.

    Raises:
        ConfigError: an option is out of its range.

    Source: arXiv:2311.06928; Izhikevich, IEEE Transactions on Neural Networks 14:1569 (2003).
    """

    def __init__(
        self,
        neurons: int = 10,
        density: float = 0.2,
        samples: int = 5000,
        synapse: float = 5.0,
        wiring: Literal["random", "celegans"] = "random",
        connectome: str | None = None,
        every: int = 1,
        hidden: float = 0.0,
        observation: Literal["voltage", "calcium"] = "voltage",
        switch: bool = False,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require("data", neurons=(neurons, 2, None), density=(density, 0, 1), samples=(samples, 1, None))
        require("data", every=(every, 1, None), hidden=(hidden, 0, 0.9))
        if switch and wiring != "random":
            raise ConfigError("data: switch goes with random wiring alone: the worm has one; leave one out.")
        self.options: dict[str, Any] = {
            "neurons": neurons,
            "density": density,
            "samples": samples,
            "synapse": synapse,
            "wiring": wiring,
            "connectome": None if connectome is None else Path(connectome),
            "every": every,
            "hidden": hidden,
            "observation": observation,
            "switch": switch,
        }

    def simulate(self) -> Recordings:
        """Simulate the network."""
        return spiking_network(**self.options, seed=self.seed)
