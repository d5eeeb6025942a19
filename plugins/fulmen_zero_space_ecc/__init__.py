"""In-place SEC-DED protection of int8 weights, and the training that makes room for it.

weights/     weights in 8 bits, and which of them are held in [-64, 63]
code/        the code: rows, whole arenas, floats (public: ``fulmen_zero_space_ecc.code``)
training/    callback `wot`, analyzer `weight_distribution`
protected/   callback `zero_space_ecc`, the file that repairs itself, the commands
campaign/    analyzer `memory_faults`

Each imports from those above it alone. Most of it knows neither Lightning nor fulmen; each folder's
first page names the adapters that do. plugin.py names what the plugin offers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.campaign.memory_faults import MemoryFaults as MemoryFaults
    from fulmen_zero_space_ecc.protected.callback import ZeroSpaceProtection as ZeroSpaceProtection
    from fulmen_zero_space_ecc.protected.file import load_from_checkpoint as load_from_checkpoint
    from fulmen_zero_space_ecc.protected.file import read_form as read_form
    from fulmen_zero_space_ecc.training.weight_distribution import WeightDistribution as WeightDistribution
    from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining as WeightDistributionTraining

_MODULES = {
    "MemoryFaults": "campaign.memory_faults",
    "WeightDistribution": "training.weight_distribution",
    "WeightDistributionTraining": "training.wot",
    "ZeroSpaceProtection": "protected.callback",
    "load_from_checkpoint": "protected.file",
    "read_form": "protected.file",
}
__all__ = [
    "MemoryFaults",
    "WeightDistribution",
    "WeightDistributionTraining",
    "ZeroSpaceProtection",
    "load_from_checkpoint",
    "read_form",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
