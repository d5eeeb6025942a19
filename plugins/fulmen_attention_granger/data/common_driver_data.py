"""One driver that was recorded, and its targets."""

from __future__ import annotations

from typing import Any

from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import common_driver


class CommonDriver(SimulatedData):
    """A driver ``x0`` that reaches each of its targets after 1 to 3 steps, through a tanh.

    Args:
        targets: How many, 2 or more.
        samples: Rows.
        edges: Density of edges among the targets, 0 to 1.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.
    """

    def __init__(self, targets: int = 11, samples: int = 1000, edges: float = 0.0, **simulated: Any) -> None:
        super().__init__(**simulated)
        require("data", targets=(targets, 2, None), samples=(samples, 1, None), edges=(edges, 0, 1))
        self.options: dict[str, Any] = {"targets": targets, "samples": samples, "edges": edges}

    def simulate(self) -> Recordings:
        """Simulate driver and targets."""
        return common_driver(**self.options, seed=self.seed)
