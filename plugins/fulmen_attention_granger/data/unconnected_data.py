"""Series that do not drive each other: what is found in them is false."""

from __future__ import annotations

from typing import Any, Literal

from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import unconnected


class Unconnected(SimulatedData):
    """Independent autoregressions: the null against which significance is judged.

    Args:
        variables: How many.
        samples: Rows.
        kind: ``linear``; ``nonlinear`` in mean and variance; ``shifting``: linear, with ramps of the
            variance and shifts of the level.
        memory: Coefficient of the last value, 0 to .999.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.
    """

    def __init__(
        self,
        variables: int = 20,
        samples: int = 1000,
        kind: Literal["linear", "nonlinear", "shifting"] = "linear",
        memory: float = 0.9,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require("data", variables=(variables, 2, None), samples=(samples, 1, None), memory=(memory, 0, 0.999))
        self.options: dict[str, Any] = {
            "variables": variables,
            "samples": samples,
            "kind": kind,
            "memory": memory,
        }

    def simulate(self) -> Recordings:
        """Simulate the autoregressions."""
        return unconnected(**self.options, seed=self.seed)
