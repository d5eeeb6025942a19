"""A real recording whose direction is known: a sound, and the spikes of a grasshopper's auditory nerve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fulmen_attention_granger.data.series_data import SeriesData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.reading.grasshopper_files import read_grasshopper
from fulmen_attention_granger.recordings import Recordings


class Grasshopper(SeriesData):
    """Loudness of a random sound and the spikes that it evokes in a receptor cell: two cells, two trials.

    The sound drives the spikes; the spikes do not drive the loudspeaker.

    Args:
        bin_ms: Time between two rows, ms: the loudness is averaged, spikes are counted.
        folder: Where the four files of nitime's examples are; None: in the installed package nitime.
        windows: Of the windows for a Trainer: see ``SeriesData``.

    Source: Rokem et al., J. Neurophysiology 95:2541 (2006), as
    bundled with nitime (BSD licence).
    """

    def __init__(self, bin_ms: float = 2.0, folder: str | None = None, **windows: Any) -> None:
        super().__init__(**windows)
        require("data", bin_ms=(bin_ms, 0.05, 1000))
        self.bin_ms = bin_ms
        self.folder = None if folder is None else Path(folder)

    def read(self) -> Recordings:
        """Read the four files."""
        return read_grasshopper(self.bin_ms, self.folder)
