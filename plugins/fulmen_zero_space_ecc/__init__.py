"""In-place SEC-DED protection of int8 weights, and the training that makes room for it.

Algorithms, which know neither Lightning nor fulmen:

placement.py        which weights are held in [-64, 63]: shared by training, analysis and encoding
quantization.py     8-bit symmetric fake quantisation, activation ranges
fake_quantized.py   layers that compute in 8 bits while their parameters keep their names
pairing.py          which batch normalisation follows which convolution, and nothing else does
folding.py          one of them folded into the other
throttle.py         the box, and weights clamped into it
hinge.py            weights pulled into it
admm.py             the paper's other way, for comparison
velocity.py         momentum that pushes outward, removed
scales.py           one scale a layer or one a channel
data_free.py        the best scales inside the box, searched without training
quantized_model.py  all of it over one model, with a state that can be saved
distribution.py     counts of large weights by layer and place
saved_state.py      what `wot` leaves in a checkpoint

Adapters: callbacks.py (`wot`) on qat.py, with starting.py and guards.py; analyzer.py
(`weight_distribution`) with charts.py and data_free_report.py; plugin.py names them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.analyzer import WeightDistribution as WeightDistribution
    from fulmen_zero_space_ecc.callbacks import WeightDistributionTraining as WeightDistributionTraining

_MODULES = {"WeightDistribution": "analyzer", "WeightDistributionTraining": "callbacks"}
__all__ = ["WeightDistribution", "WeightDistributionTraining"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
