"""Variables that share parents which were not recorded."""

from __future__ import annotations

from typing import Any

from fulmen.errors import ConfigError
from fulmen_attention_granger.data.simulated_data import SimulatedData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.recorded import hidden_drivers


class HiddenDrivers(SimulatedData):
    """Series of which some have hidden parents in common, and others drive each other.

    ``recordings().truths["confounded"]`` says which pairs share a hidden parent.

    Args:
        variables: That are recorded.
        samples: Rows.
        hidden: Parents that are not, 1 or more.
        children: Of each of them, 2 to ``variables``.
        edges: Density of edges among the recorded that share no parent, 0 to 1.
        simulated: Seed, noise, gaps and windows: see ``SimulatedData``.
    """

    def __init__(
        self,
        variables: int = 10,
        samples: int = 1000,
        hidden: int = 3,
        children: int = 4,
        edges: float = 0.1,
        **simulated: Any,
    ) -> None:
        super().__init__(**simulated)
        require("data", variables=(variables, 2, None), samples=(samples, 1, None), hidden=(hidden, 1, None))
        require("data", edges=(edges, 0, 1))
        if not 2 <= children <= variables:
            raise ConfigError(f"data: children is {children}; expected 2 to {variables}: change it.")
        self.options: dict[str, Any] = {
            "variables": variables,
            "samples": samples,
            "hidden": hidden,
            "children": children,
            "edges": edges,
        }

    def simulate(self) -> Recordings:
        """Simulate parents and children."""
        return hidden_drivers(**self.options, seed=self.seed)
