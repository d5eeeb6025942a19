"""Sparse linear vector autoregressions."""

from __future__ import annotations

from typing import Any

from fulmen.errors import ConfigError
from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import linear_autoregression


class LinearVAR(SimulatedData):
    """A linear vector autoregression in which each variable has some parents, at every lag.

    Args:
        variables: How many.
        samples: Rows.
        lags: At each of which every parent acts, 1 or more.
        parents: Of each variable, beside itself; fewer than ``variables``.
        noise: Standard deviation of the innovations.
        switch: Whether another graph holds in the second half of the time.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.

    Source: Tank et al., IEEE TPAMI 44:4267 (2022).
    """

    def __init__(
        self,
        variables: int = 20,
        samples: int = 1000,
        lags: int = 3,
        parents: int = 3,
        noise: float = 0.1,
        switch: bool = False,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require("data", variables=(variables, 2, None), samples=(samples, 1, None), lags=(lags, 1, 100))
        require("data", noise=(noise, 1e-9, None))
        if not 0 <= parents < variables:
            raise ConfigError(f"data: parents is {parents}; expected 0 to {variables - 1}: change it.")
        self.options: dict[str, Any] = {
            "variables": variables,
            "samples": samples,
            "lags": lags,
            "parents": parents,
            "noise": noise,
            "switch": switch,
        }

    def simulate(self) -> Recordings:
        """Simulate the autoregression."""
        return linear_autoregression(**self.options, seed=self.seed)
