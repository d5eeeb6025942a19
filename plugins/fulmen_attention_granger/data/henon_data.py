"""Coupled Hénon maps."""

from __future__ import annotations

from typing import Any

from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import coupled_henon


class Henon(SimulatedData):
    """Hénon maps in a chain, each but the ends driven by its two neighbours; no noise.

    Args:
        maps: In the chain, 3 or more.
        samples: Rows.
        coupling: 0 to .5; above .4 the maps fall into step, or run away.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.

    Source: Kugiumtzis, Physical Review E 87:062918 (2013).
    """

    def __init__(self, maps: int = 15, samples: int = 1000, coupling: float = 0.3, **simulated: Any) -> None:
        super().__init__(**simulated)
        require("data", maps=(maps, 3, None), samples=(samples, 1, None), coupling=(coupling, 0, 0.5))
        self.options: dict[str, Any] = {"maps": maps, "samples": samples, "coupling": coupling}

    def simulate(self) -> Recordings:
        """Iterate the maps."""
        return coupled_henon(**self.options, seed=self.seed)
