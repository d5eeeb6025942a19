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

columns.py          the (64, 57) SEC-DED code by its numbers, with its proof
kernels.py          its compiled loops over 64-bit words
code.py, arena.py   its calls, on rows of 8 weights and on whole arenas
torch_code.py       the same for rows on any device, in plain torch
floats.py           codes for the numbers that stay floating-point
concealment.py      what a block with two wrong bits most likely held
policies.py         what becomes of such a block
protected_form.py   a model's numbers as they lie in memory, all under a code
form_header.py, protected_state.py, sidecar.py   that form as a state dict, and as a file that repairs itself
decoding.py, protected_model.py   a model that computes from it

faults.py, memory_image.py, number_formats.py   what goes wrong in memory
schemes/            ways to protect it, each encoding, decoding and counting its bytes
resident.py, replay.py, trial.py, activation_faults.py   one trial, quickly
campaign.py, intervals.py, vulnerability.py, scrub_period.py   many of them, and what they say

Adapters: callbacks.py (`wot`) on qat.py, with starting.py and guards.py; protection.py
(`zero_space_ecc`) with protected_file.py and commands.py; analyzer.py (`weight_distribution`) with
charts.py and data_free_report.py; memory_faults.py with fault_options.py, fault_tables.py,
fault_charts.py and labelled_batches.py; plugin.py names them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.analyzer import WeightDistribution as WeightDistribution
    from fulmen_zero_space_ecc.callbacks import WeightDistributionTraining as WeightDistributionTraining
    from fulmen_zero_space_ecc.memory_faults import MemoryFaults as MemoryFaults
    from fulmen_zero_space_ecc.protected_file import load_from_checkpoint as load_from_checkpoint
    from fulmen_zero_space_ecc.protected_file import read_form as read_form
    from fulmen_zero_space_ecc.protection import ZeroSpaceProtection as ZeroSpaceProtection

_MODULES = {
    "MemoryFaults": "memory_faults",
    "WeightDistribution": "analyzer",
    "WeightDistributionTraining": "callbacks",
    "ZeroSpaceProtection": "protection",
    "load_from_checkpoint": "protected_file",
    "read_form": "protected_file",
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
