"""The LightningDataModule that all data of this plugin share."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

import fulmen
from fulmen.errors import ConfigError, DataError
from fulmen_attention_granger.forecast_windows import WindowDataset, window_datasets
from fulmen_attention_granger.options import require
from fulmen_attention_granger.reading.checks import check
from fulmen_attention_granger.recordings import RecordingError, Recordings


class SeriesData(LightningDataModule):
    """Recordings for an analyzer, and windows of them for a Trainer.

    A batch is a ``forecast_windows.Window``: ``context`` (batch, context, variables) and ``target``
    (batch, horizon, variables), float32, scaled by the training rows; and the masks of what was seen.
    Each trial is cut into training, validation and test in the order of time; no window crosses a cut.
    Under a Trainer the training loader shuffles by ``seed_everything`` and the epoch. Prediction runs
    over the test windows.

    Args:
        context: Rows of past in a window.
        horizon: Rows that are forecast.
        batch_size: Windows per batch and process.
        val_fraction: Share of each trial that is kept for validation, above 0.
        test_fraction: Share of each trial that is kept for the test, at its end; above 0.
        num_workers: Processes that load; 0 loads in the training process, which is best for series.
    """

    def __init__(
        self,
        context: int = 10,
        horizon: int = 1,
        batch_size: int = 64,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        require(
            "data", context=(context, 1, None), horizon=(horizon, 1, None), batch_size=(batch_size, 1, None)
        )
        require("data", num_workers=(num_workers, 0, None))
        if min(val_fraction, test_fraction) <= 0 or val_fraction + test_fraction >= 1:
            raise ConfigError(
                f"data: val_fraction is {val_fraction} and test_fraction {test_fraction}; expected both "
                "above 0 and less than 1 together: change them."
            )
        self.context = context
        self.horizon = horizon
        self.batch_size = batch_size
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.num_workers = num_workers
        self._recordings: Recordings | None = None
        self._windows: dict[str, WindowDataset] = {}

    def read(self) -> Recordings:
        """Read or simulate the recordings; each data module says how.

        Raises:
            RecordingError: they are not what they should be.
            ValueError: the options do not go together.
            OSError: a file cannot be read.
        """
        raise NotImplementedError

    def recordings(self) -> Recordings:
        """Return the recordings, read or simulated at the first call and checked.

        Raises:
            DataError: a file is missing or not what its name says, or no test can work on what it holds.
        """
        if self._recordings is None:
            try:
                recordings = self.read()
                check(recordings)
            except ValueError as error:  # RecordingError too
                raise DataError(str(error)) from error
            except OSError as error:
                cause = error.strerror or error
                raise DataError(
                    f"{error.filename}: cannot be read ({cause}); give a file that you may read."
                ) from error
            self._recordings = recordings
        return self._recordings

    def setup(self, stage: str | None = None) -> None:
        """Cut the recordings into windows, once.

        Raises:
            DataError: as ``recordings``; or a part is too short for a window.
        """
        if self._windows:
            return
        recordings = self.recordings()
        fractions = (self.val_fraction, self.test_fraction)
        try:
            self._windows = window_datasets(recordings, self.context, self.horizon, *fractions)
        except RecordingError as error:
            raise DataError(str(error)) from error

    def windows(self, split: str) -> WindowDataset:
        """Return the windows of ``train``, ``val`` or ``test``."""
        self.setup()
        return self._windows[split]

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the shuffled training batches."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches in the order of time."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test batches in the order of time."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return the test batches: ``predict`` gives their forecasts in this order."""
        return self.test_dataloader()

    def _loader(self, split: str, shuffle: bool = False) -> DataLoader[Any]:
        return fulmen.ResumableLoader.of(
            self,
            self.windows(split),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            shuffle=shuffle,
        )
