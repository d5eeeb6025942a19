"""Networks of neurons that do not spike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded_networks import graded_network


class GradedNetwork(SimulatedData):
    """Graded potentials of neurons with sigmoid synapses and slow adaptation, as in C. elegans.

    Args:
        neurons: How many, 2 or more.
        density: Probability of each edge, 0 to 1, of a random wiring.
        samples: Time steps.
        gain: Of all synapses of a neuron together, 0 or more; at 1 many of them are near saturation.
        wiring: ``random``, or ``celegans``: the best connected neurons of the worm.
        connectome: File of the worm's wiring; None: of the installed package cect.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.
    """

    def __init__(
        self,
        neurons: int = 20,
        density: float = 0.2,
        samples: int = 2000,
        gain: float = 1.0,
        wiring: Literal["random", "celegans"] = "random",
        connectome: str | None = None,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require("data", neurons=(neurons, 2, None), density=(density, 0, 1), samples=(samples, 1, None))
        require("data", gain=(gain, 0, None))
        path = None if connectome is None else Path(connectome)
        self.options: dict[str, Any] = {
            "neurons": neurons,
            "density": density,
            "samples": samples,
            "gain": gain,
            "wiring": wiring,
            "connectome": path,
        }

    def simulate(self) -> Recordings:
        """Simulate the network."""
        return graded_network(**self.options, seed=self.seed)
