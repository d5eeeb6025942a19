"""Search and evolution: networks that are good at several things, found asynchronously.

Algorithms, which know neither Lightning nor fulmen:

domains.py, space.py     what the keys of a config may be set to
goals.py                 what is wanted of a candidate, as costs
pareto.py                non-dominated points, ranks, crowding, hypervolume
lattice.py               many genotypes of choices at once
features.py, told_costs.py, surrogate.py, failures.py   a linear model of values and pairs of values, and
                         draws from it
selection.py, neighbours.py, acquisition.py   where children come from, without the surrogate and with it
individual.py, archive.py, settings.py, randomness.py, evolution.py   the asynchronous steady state

genes.py, activations.py, convolutions.py, layers.py, blocks.py   layers as plain data that build, mutate,
                         repair and cost themselves
structure.py             lists of genes as a domain of a space
genome.py                the network that a list of genes stands for
stains.py, tissue.py     synthetic H&E-like patches
til_files.py             patches with their label in the name, or in a table
patches.py               both as torch sees them

Adapters: searcher.py (`evolution`, `random`), telling.py (what they refuse to be told), peers.py with
optuna_searcher.py and pymoo_searcher.py (`optuna`, `pymoo`), patch_data.py (`synthetic_til`, `til_patches`);
plugin.py names them. testing.py has the conformance suite of genes, for the tests of whoever writes one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_evolution.genes import Gene as Gene
    from fulmen_evolution.genome import Genome as Genome
    from fulmen_evolution.patch_data import SyntheticTIL as SyntheticTIL
    from fulmen_evolution.patch_data import TILPatches as TILPatches
    from fulmen_evolution.searcher import Evolution as Evolution
    from fulmen_evolution.searcher import Random as Random
    from fulmen_evolution.structure import Structure as Structure

_MODULES = {
    "Evolution": "searcher",
    "Gene": "genes",
    "Genome": "genome",
    "Random": "searcher",
    "Structure": "structure",
    "SyntheticTIL": "patch_data",
    "TILPatches": "patch_data",
}
__all__ = ["Evolution", "Gene", "Genome", "Random", "Structure", "SyntheticTIL", "TILPatches"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
