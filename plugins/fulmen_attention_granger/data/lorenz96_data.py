"""Lorenz-96."""

from __future__ import annotations

from typing import Any

from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import lorenz_96


class Lorenz96(SimulatedData):
    """A chaotic flow on a ring: each variable is driven by the next one and the two before it.

    The graph is that of the equations; at the sampling step effects over two hops exist as well.

    Args:
        variables: On the ring, 4 or more.
        samples: Rows.
        forcing: F; 10 is chaotic, 40 more so.
        interval: Time between two rows.
        noise: Standard deviation of the noise on each sample.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.

    Source: Lorenz (1996); sampled as in Tank et al., IEEE TPAMI 44:4267 (2022).
    """

    def __init__(
        self,
        variables: int = 20,
        samples: int = 1000,
        forcing: float = 40.0,
        interval: float = 0.1,
        noise: float = 0.1,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require(
            "data", variables=(variables, 4, None), samples=(samples, 1, None), forcing=(forcing, 0, 1000)
        )
        require("data", interval=(interval, 1e-6, 0.5), noise=(noise, 0, None))
        self.options: dict[str, Any] = {
            "variables": variables,
            "samples": samples,
            "forcing": forcing,
            "interval": interval,
            "noise": noise,
        }

    def simulate(self) -> Recordings:
        """Integrate the flow."""
        return lorenz_96(**self.options, seed=self.seed)
