"""What the simulated data share: a seed of their own, noise and gaps on top."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fulmen_attention_granger.data.series_data import SeriesData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.systems.observation import add_noise, lose


class SimulatedData(SeriesData):
    """A system whose graph is known.

    Args:
        seed: Of the system, not of the training: whatever ``seed_everything`` is, the data stay the same.
        noise_share: Share of each variable's variance that observation noise makes up, 0 to .99.
        missing: Share of the values that are lost, 0 to .9.
        windows: Of the windows for a Trainer: see ``SeriesData``.
    """

    def __init__(self, seed: int = 0, noise_share: float = 0.0, missing: float = 0.0, **windows: Any) -> None:
        super().__init__(**windows)
        require("data", noise_share=(noise_share, 0, 0.99), missing=(missing, 0, 0.9))
        self.seed = seed
        self.noise_share = noise_share
        self.missing = missing

    def simulate(self) -> Recordings:
        """Simulate the system; each data module says how.

        Raises:
            ValueError: the options do not go together.
        """
        raise NotImplementedError

    def read(self) -> Recordings:
        """Simulate the system, and let an instrument blur it."""
        recordings = self.simulate()
        trials = recordings.trials
        if self.noise_share > 0:
            trials = tuple(add_noise(trial, self.noise_share, self.seed) for trial in trials)
        if self.missing > 0:
            trials = tuple(lose(trial, self.missing, self.seed) for trial in trials)
        return replace(recordings, trials=trials)
