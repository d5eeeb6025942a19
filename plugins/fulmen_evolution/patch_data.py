"""The data `synthetic_til` and `til_patches`: patches of tissue with and without lymphocytes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray
from torch.utils.data import DataLoader

import fulmen
from fulmen.errors import ConfigError, DataError
from fulmen_evolution.patches import PatchDataset, Source
from fulmen_evolution.til_files import (
    FileSource,
    PatchError,
    check_sizes,
    doubt,
    find_patches,
    read_table,
    split_by_slide,
)
from fulmen_evolution.tissue import POSITIVE, TissueSettings, draw_patch

FORMAT = 2  # of the kept file, and of what the generator draws: another number makes all patches anew


class _PatchData(LightningDataModule):
    """Loaders over three splits: float32 (n, 3, crop, crop), int64 labels (n,), 1 for lymphocytes."""

    num_classes = 2
    in_channels = 3

    def __init__(self, batch_size: int, num_workers: int, augment: bool, crop: int) -> None:
        super().__init__()
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("crop", crop, 8),
        ):
            if value < least:
                raise ConfigError(f"data: {name} is {value}; expected {least} or more: change it.")
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augment = augment
        self.crop = crop
        self._sources: Mapping[str, Source] = {}

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.crop, self.crop

    def read(self) -> Mapping[str, Source]:
        """Return the patches of train, val and test."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Read or make the patches, once."""
        if not self._sources:
            self._sources = self.read()

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the shuffled training batches, changed at random if ``augment``."""
        seed = torch.initial_seed() if self.augment else None
        data = PatchDataset(self._sources["train"], self.crop, seed, self._epoch)
        return self._loader(data, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches, always the same."""
        return self._loader(PatchDataset(self._sources["val"], self.crop))

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test batches, always the same."""
        return self._loader(PatchDataset(self._sources["test"], self.crop))

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return the test batches: ``predict`` gives their probabilities in this order."""
        return self.test_dataloader()

    def _epoch(self) -> int:
        return self.trainer.current_epoch if self.trainer else 0

    def _loader(self, data: PatchDataset, shuffle: bool = False) -> DataLoader[Any]:
        return _Loader.of(
            self, data, batch_size=self.batch_size, num_workers=self.num_workers, shuffle=shuffle
        )


class _Loader(fulmen.ResumableLoader):
    """Makes the user's error of a file that cannot be decoded."""

    refused = (PatchError,)


class SyntheticTIL(_PatchData):
    """Synthetic patches in haematoxylin and eosin; positive are those with two lymphocytes or more.

    Made, not scanned: figures on them compare methods and say nothing of real tissue. Patch i of a split
    depends on ``data_seed``, the split and i alone, whatever ``seed_everything`` is.

    Args:
        train_size: Training patches.
        val_size: Validation patches.
        test_size: Test patches.
        size: Height and width in pixels; 100 are 50 um.
        stain_jitter: How much the stains' colours differ from patch to patch.
        stain_turn: Share of the way from each stain's colour to the other's: 0 is one laboratory, .15
            another.
        stain_strength: Factor of the stains' amounts.
        nucleus_scale: Factor of all radii.
        crowding: Factor of the number of other cells.
        blur: Of the optics, in pixels.
        noise: Of the sensor, of 255 levels.
        data_seed: Of the patches.
        cache: A folder where the patches are kept for the next run, as one .npz file a setting; None: they
            are made anew each time, which takes about 5 ms a patch.
        batch_size: Patches per batch and process.
        num_workers: Processes that load; 0 loads in the training process.
        augment: Whether training patches are turned, flipped, shifted and recoloured at random.

    Raises:
        UserError: an option is out of its bounds.
    """

    def __init__(
        self,
        train_size: int = 2400,
        val_size: int = 800,
        test_size: int = 1600,
        size: int = 100,
        stain_jitter: float = 0.03,
        stain_turn: float = 0.0,
        stain_strength: float = 1.0,
        nucleus_scale: float = 1.0,
        crowding: float = 1.0,
        blur: float = 0.7,
        noise: float = 3.0,
        data_seed: int = 0,
        cache: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        augment: bool = True,
    ) -> None:
        super().__init__(batch_size, num_workers, augment, size)
        self.sizes = {"train": train_size, "val": val_size, "test": test_size}
        for split, count in self.sizes.items():
            if count < 1:
                raise ConfigError(f"data: {split}_size is {count}; expected 1 or more: change it.")
        if data_seed < 0:
            raise ConfigError(f"data: data_seed is {data_seed}; expected 0 or more: change it.")
        self.data_seed = data_seed
        self.cache = None if cache is None else Path(cache)
        try:
            self.settings = TissueSettings(
                size=size,
                stain_jitter=stain_jitter,
                stain_turn=stain_turn,
                stain_strength=stain_strength,
                nucleus_scale=nucleus_scale,
                crowding=crowding,
                blur=blur,
                noise=noise,
            )
        except ValueError as error:
            raise ConfigError(f"data: {error}: change it.") from error

    def read(self) -> Mapping[str, Source]:
        """Make the patches, or take those that were kept."""
        file = None if self.cache is None else self.cache / f"synthetic_til-{self._digest()}.npz"
        if file is not None and file.exists():
            return _kept(file)
        made = {split: self._make(split, count) for split, count in self.sizes.items()}
        if file is not None:
            _keep(file, made)
        return made

    def _make(self, split: str, count: int) -> _Held:
        patches = np.empty((count, self.settings.size, self.settings.size, 3), dtype=np.uint8)
        cells = np.empty(count, dtype=np.int64)
        for index in fulmen.progress(range(count), f"synthetic {split} patches"):
            generator = fulmen.keyed_generator(self.data_seed, "synthetic_til", split, index)
            patches[index], cells[index] = draw_patch(generator, self.settings)
        return _Held(patches, (cells >= POSITIVE).astype(np.int64))

    def _digest(self) -> str:
        identity = json.dumps([FORMAT, self.data_seed, self.sizes, vars(self.settings)], sort_keys=True)
        return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


class TILPatches(_PatchData):
    """Real patches: PNG files called ``..._0.png`` or ``..._1.png``, or as a table says; split by slide.

    The slide of a patch is the first field of its name (before the first underscore), or what the table says.

    Args:
        folder: Where the files are, in whatever folders below it; relative paths of the table start here.
        table: A CSV file with columns ``path`` and ``label``, and perhaps ``slide`` and ``split`` (train,
            val, test), each in every line, in the place of the names; None: the names.
        val_share: Of the patches, in whole slides, where no table names splits.
        test_share: Likewise.
        split_seed: Of that split; it does not follow ``seed_everything``.
        crop: Height and width that the network sees, from the middle: after random changes, so that larger
            patches than this leave room for shifts.
        batch_size: Patches per batch and process.
        num_workers: Processes that load; 0 loads in the training process.
        augment: Whether training patches are turned, flipped, shifted and recoloured at random.

    Raises:
        UserError: a share is out of its bounds; a file or folder is not what it should be (when the data is
            read).
    """

    def __init__(
        self,
        folder: str,
        table: str | None = None,
        val_share: float = 0.15,
        test_share: float = 0.15,
        split_seed: int = 0,
        crop: int = 100,
        batch_size: int = 64,
        num_workers: int = 0,
        augment: bool = True,
    ) -> None:
        super().__init__(batch_size, num_workers, augment, crop)
        if not (val_share > 0 and test_share > 0 and val_share + test_share < 1):
            raise ConfigError(
                f"data: val_share is {val_share} and test_share {test_share}; expected more than 0 "
                "each and less than 1 together: change them."
            )
        self.folder = Path(folder)
        self.table = None if table is None else Path(table)
        self.val_share = val_share
        self.test_share = test_share
        self.split_seed = split_seed

    def read(self) -> Mapping[str, Source]:
        """Find the files, look at their headers, split them; their pixels are read when they are needed."""
        try:
            files = find_patches(self.folder) if self.table is None else read_table(self.table, self.folder)
            check_sizes(files, self.crop)
            parts = split_by_slide(files, self.val_share, self.test_share, self.split_seed)
            if why := doubt(files):
                rank_zero_warn(
                    f"data: {why}: if that is no slide, patches of one slide may be in training and in test: "
                    "give a table with a column slide."
                )
        except PatchError as error:
            raise DataError(f"data: {error}") from error
        except OSError as error:
            raise DataError(
                f"data: {error.filename}: cannot be read ({error.strerror or error}); "
                "give files that you may read."
            ) from error
        return {name: FileSource(members) for name, members in parts.items()}


class _Held:
    """Patches in memory."""

    names: Sequence[str] | None = None

    def __init__(self, patches: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.patches = patches
        self.labels = labels

    def patch(self, index: int) -> NDArray[np.uint8]:
        patch: NDArray[np.uint8] = self.patches[index]
        return patch


def _keep(file: Path, held: Mapping[str, _Held]) -> None:
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {f"{split}_images": part.patches for split, part in held.items()}
    arrays |= {f"{split}_labels": part.labels for split, part in held.items()}
    np.savez(buffer, allow_pickle=False, **arrays)
    fulmen.write_artifact(file, buffer.getvalue())


def _kept(file: Path) -> Mapping[str, _Held]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {
                split: _Held(arrays[f"{split}_images"], arrays[f"{split}_labels"])
                for split in ("train", "val", "test")
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{file}: is no whole file of kept patches ({error}); remove it, and they are made anew."
        ) from error
