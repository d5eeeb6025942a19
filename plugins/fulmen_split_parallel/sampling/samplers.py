"""The samplers, by the names that YAML gives them."""

from __future__ import annotations

from fulmen_split_parallel.sampling.labor import LaborSampler
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

SAMPLERS: dict[str, type[NeighbourSampler] | type[LaborSampler]] = {
    "neighbour": NeighbourSampler,
    "labor": LaborSampler,
}
