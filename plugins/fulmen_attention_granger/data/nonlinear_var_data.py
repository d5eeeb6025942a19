"""A nonlinear vector autoregression."""

from __future__ import annotations

from typing import Any

from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import nonlinear_autoregression


class NonlinearVAR(SimulatedData):
    """A vector autoregression whose edges are tanh, a bump or a sine; linear tests do not see the bumps.

    Args:
        variables: How many.
        samples: Rows.
        density: Probability of each edge, 0 to 1.
        lags: Each edge acts at one lag of 1 to this.
        noise: Standard deviation of the innovations.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.
    """

    def __init__(
        self,
        variables: int = 15,
        samples: int = 1000,
        density: float = 0.15,
        lags: int = 2,
        noise: float = 0.5,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require("data", variables=(variables, 2, None), samples=(samples, 1, None), density=(density, 0, 1))
        require("data", lags=(lags, 1, 100), noise=(noise, 1e-9, None))
        self.options: dict[str, Any] = {
            "variables": variables,
            "samples": samples,
            "density": density,
            "lags": lags,
            "noise": noise,
        }

    def simulate(self) -> Recordings:
        """Simulate the autoregression."""
        return nonlinear_autoregression(**self.options, seed=self.seed)
