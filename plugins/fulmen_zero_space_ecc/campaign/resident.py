"""A model that stays in memory while faults come and go: changed in place, undone, never copied.

What a trial costs is what its faults touch: the changed weights are written and written back, and the
forward pass begins at the first layer that holds one of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.memory_image import MemoryImage
from fulmen_zero_space_ecc.campaign.number_formats import to_values
from fulmen_zero_space_ecc.campaign.replay import Replay, Replayer
from fulmen_zero_space_ecc.campaign.schemes.base import distinct
from fulmen_zero_space_ecc.weights.quantization import LARGEST

Batch = tuple[Tensor, Tensor]


class Resident:
    """A memory image, images to classify, and what the model made of them without faults.

    Args:
        image: The model and its bytes; the model becomes this object's own.
        batches: Pairs of images and int64 labels of shape (batch,), kept on the device.
        device: Where to compute.
        cache_bytes: How much memory kept activations may take; 0: each pass is whole.
        inputs: Applied to the inputs of layers, by name; None: int8 activations as the image says.

    Raises:
        ValueError: the model does not give scores of shape (batch, classes).

    Attributes:
        reference: uint8: the bytes without faults.
        clean_accuracy: The share of images classified correctly without faults.
    """

    def __init__(
        self,
        image: MemoryImage,
        batches: Sequence[Batch],
        device: torch.device | None = None,
        cache_bytes: int = 1 << 30,
        inputs: dict[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        self.image = image
        self.batches = [(x.to(device), y.to(device)) for x, y in batches]
        self.images = sum(len(labels) for _, labels in self.batches)
        model = image.model.to(device)
        self._segments = image.placement.segments
        self._starts = [segment.offset for segment in self._segments]
        self._offsets = np.array([segment.offset for segment in self._segments], np.int64)
        self._flat = [_writable(model.get_parameter(segment.name)) for segment in self._segments]
        self._scales = [image.scales.get(segment.name) for segment in self._segments]
        layers = [layer for segment in self._segments for layer in segment.layers]
        if inputs is None:
            inputs = {name: quantized_input(largest) for name, largest in image.activation_ranges.items()}
        self._replayer = Replayer(model, layers, inputs)
        self._replayer.attach()  # for good: the model is nobody else's
        self._budget = cache_bytes // max(1, len(self.batches))
        self._replays: list[Replay] = []
        self._loaded: Bytes | None = None
        self.reference: Bytes = np.empty(0, np.uint8)
        self.clean_accuracy = 0.0
        self.load(image.content)

    def load(self, content: Bytes) -> None:
        """Take other bytes as those without faults; does nothing where they are the same.

        The array is kept, and must not be changed: looking at which it is saves looking at all of it.
        """
        if content is self._loaded:
            return
        self._loaded = content
        if np.array_equal(content, self.reference):
            return
        self.reference = content.copy()
        self._signed = self.reference.view(np.int8)
        self._write_all(content)
        if not self._replays:
            self.batches = [(self._laid_out(images), labels) for images, labels in self.batches]
        self._replays = [self._replayer.record(images, self._budget) for images, _ in self.batches]
        _check_scores(self._replays[0])
        self.clean_accuracy = self._accuracy([replay.output for replay in self._replays])

    @property
    def cached_bytes(self) -> int:
        """How much memory the kept activations take."""
        return sum(replay.bytes for replay in self._replays)

    @contextmanager
    def changed(self, where: Indices, values: Bytes) -> Iterator[set[str]]:
        """Hold other bytes for a while; whatever happens, the weights are then as before, bit for bit.

        Args:
            where: int64: which bytes of the arena.
            values: uint8, of the same shape.

        Yields:
            The names of the layers that hold a changed weight.
        """
        if len(where) == 1 and self.image.word == 1:
            yield from self._one_changed(int(where[0]), int(values.view(np.int8)[0]))
            return
        word = self.image.word
        words = distinct(where // word)
        rows = self.reference.reshape(-1, word)[words]
        if word == 1 and len(words) == len(where):
            changed = np.empty_like(rows)
            changed[np.searchsorted(words, where), 0] = values
        else:
            changed = rows.copy()
            changed[np.searchsorted(words, where // word), where % word] = values
        pieces = self._pieces(words)
        try:
            self._write(pieces, words, changed)
            yield {layer for index, *_ in pieces for layer in self._segments[index].layers}
        finally:
            self._write(pieces, words, rows)

    def _one_changed(self, byte: int, value: int) -> Iterator[set[str]]:
        """Do the same for a single int8 weight, the commonest case, without arrays."""
        index = bisect_right(self._starts, byte) - 1
        local = byte - self._starts[index]
        segment, flat, scale = self._segments[index], self._flat[index], self._scales[index]
        if local >= segment.numel:
            yield set()  # padding
            return
        assert scale is not None
        step = scale[local] if scale.ndim else scale
        try:
            flat[local] = float(np.float32(value) * step)
            yield set(segment.layers)
        finally:
            flat[local] = float(np.float32(self._signed[byte]) * step)

    def accuracy(self, layers: Collection[str] | None = None) -> float:
        """Return the share of images classified correctly now.

        Args:
            layers: The layers that differ from the reference; None: not known, all is computed.

        An image whose scores are not all numbers counts as wrong.
        """
        outputs = [
            self._replayer.run(images, None if layers is None else replay, layers or ())
            for (images, _), replay in zip(self.batches, self._replays, strict=True)
        ]
        return self._accuracy(outputs)

    def accuracy_of(self, content: Bytes) -> float:
        """Return the accuracy with these bytes, everything written and computed anew: the slow way."""
        try:
            self._write_all(content)
            return self.accuracy()
        finally:
            self._write_all(self.reference)

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the weights as they are now, by name."""
        model = self._replayer.model
        return {s.name: model.get_parameter(s.name).detach().clone() for s in self._segments}

    def _laid_out(self, images: Tensor) -> Tensor:
        """Return images with their channels last where the model takes them so: twice as fast on CPUs."""
        if images.dim() != 4 or not images.is_floating_point():
            return images
        turned = images.to(memory_format=torch.channels_last)
        try:
            self._replayer.run(turned)
        except RuntimeError:  # a view of what only lies in a row with the channels first
            return images
        return turned

    def _accuracy(self, outputs: Sequence[Tensor]) -> float:
        correct = sum(
            int(((scores.argmax(1) == labels) & ~scores.isnan().any(1)).sum())
            for scores, (_, labels) in zip(outputs, self.batches, strict=True)
        )
        return correct / self.images

    def _pieces(self, words: Indices) -> list[tuple[int, slice, Indices]]:
        """Return, per tensor that holds some of these words: its index, which words, where in it."""
        words = words[: np.searchsorted(words, self.image.placement.numel)]  # padding is nobody's
        if not len(words):
            return []
        owner = np.searchsorted(self._offsets, words, side="right") - 1
        begins = np.concatenate([[0], np.flatnonzero(owner[1:] != owner[:-1]) + 1, [len(words)]]).tolist()
        return [
            (index := int(owner[begin]), slice(begin, end), words[begin:end] - self._offsets[index])
            for begin, end in pairwise(begins)
        ]

    def _write(self, pieces: list[tuple[int, slice, Indices]], words: Indices, rows: Bytes) -> None:
        for index, chosen, local in pieces:
            scale = self._scales[index]
            if scale is not None and scale.ndim:
                scale = scale[local]
            values = to_values(np.ascontiguousarray(rows[chosen]).ravel(), self.image.number_format, scale)
            _put(self._flat[index], local, values)

    def _write_all(self, content: Bytes) -> None:
        for segment, flat in zip(self._segments, self._flat, strict=True):
            _put(flat, slice(None), self.image.values(segment, content))


def quantized_input(largest: float) -> Callable[[Tensor], Tensor]:
    """Return the rounding of a layer's input to 8 bits, the same values as while it was trained."""
    bound = torch.tensor(max(largest, 1e-30))
    scale = bound / LARGEST

    def quantize(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x  # indices of an embedding
        limit, step = bound.to(x.device), scale.to(x.device)
        return x.clamp(-limit, limit).div_(step).round_().mul_(step)

    return quantize


def _check_scores(replay: Replay) -> None:
    if replay.output.dim() != 2:
        shape = tuple(replay.output.shape)
        raise ValueError(f"the model gives {shape}; scores of shape (batch, classes) are needed.")


def _writable(parameter: Tensor) -> Any:
    """Return a flat view in which a weight can be written: numpy on the CPU, where it costs least."""
    parameter.data = parameter.data.float().contiguous()
    flat = parameter.detach().view(-1)
    return flat.numpy() if flat.device.type == "cpu" else flat


def _put(flat: Any, where: Indices | slice, values: Any) -> None:
    if isinstance(flat, np.ndarray):
        flat[where] = values
        return
    index = where if isinstance(where, slice) else torch.from_numpy(where).to(flat.device)
    flat[index] = torch.from_numpy(np.ascontiguousarray(values)).to(flat.device)
