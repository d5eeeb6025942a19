"""The grasshopper recordings among the examples of nitime, found without importing it.

Source: Rokem, Watzl, Gollisch, Stemmler, Herz and Samengo, "Spike-timing precision underlies the coding
efficiency of auditory receptor neurons", J. Neurophysiology 95:2541 (2006).
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np

from fulmen_attention_granger.recordings import RecordingError, Recordings

CELLS = (1, 2)
NAMES = ("loudness", "spikes")
MICROSECONDS = 1000  # in a millisecond; the files' times are in microseconds


def installed_folder() -> Path:
    """Return where the installed package nitime keeps its examples.

    Raises:
        RecordingError: it is not installed.
    """
    try:
        return Path(str(metadata.distribution("nitime").locate_file("nitime/data")))
    except metadata.PackageNotFoundError:
        raise RecordingError(
            "data 'grasshopper' needs nitime, which is not installed: pip install 'fulmen[nitime]'"
        ) from None


def read_grasshopper(bin_ms: float, folder: Path | None = None) -> Recordings:
    """Read sound and spikes of both cells.

    Args:
        bin_ms: Time between two rows, ms, >= .05, the step of the sound.
        folder: Of the four files; None: the installed package's.

    Returns:
        A trial for each cell: ``loudness``, dB of the mean amplitude (of full scale) in the bin, and
        ``spikes``, their number in it. The graph has the one edge from loudness to spikes.

    Raises:
        RecordingError: the package or a file is missing or is not such a file.
    """
    folder = installed_folder() if folder is None else folder
    trials = tuple(_read_cell(folder, cell, bin_ms * MICROSECONDS) for cell in CELLS)
    graph = np.array([[False, False], [True, False]])
    return Recordings(trials, NAMES, graph, bin_ms, f"{folder}: grasshopper")


def _read_cell(folder: Path, cell: int, bin_us: float) -> np.ndarray:
    sound = _read_numbers(folder / f"grasshopper_stimulus{cell}.txt", columns=2)
    spikes = _read_numbers(folder / f"grasshopper_spike_times{cell}.txt", columns=1)[:, 0]
    step = sound[1, 0] - sound[0, 0]
    rows = int((sound[-1, 0] + step) // bin_us)
    edges = np.arange(rows + 1) * bin_us
    total, _ = np.histogram(sound[:, 0], edges, weights=sound[:, 1])
    count, _ = np.histogram(sound[:, 0], edges)
    fired, _ = np.histogram(spikes, edges)
    return np.stack([20.0 * np.log10(total / count), fired.astype(np.float64)], axis=1)


def _read_numbers(path: Path, columns: int) -> np.ndarray:
    if not path.is_file():
        raise RecordingError(
            f"{path}: is no file; expected one of nitime's examples: pip install 'fulmen[nitime]', or leave "
            "folder out."
        )
    try:
        numbers = np.loadtxt(path, comments="#", ndmin=2)
    except ValueError as error:
        raise RecordingError(f"{path}: is not a table of numbers ({error}): install nitime anew.") from error
    if numbers.shape[1] != columns or len(numbers) < 2:
        raise RecordingError(
            f"{path}: has shape {numbers.shape}; expected two rows or more of {columns}: install nitime anew."
        )
    return numbers
