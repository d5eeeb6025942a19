"""What becomes of a block in which two flips were detected: it cannot be corrected, but it can be concealed.

leave    nothing: the flips stay, read through sign extension, which keeps a held weight in its box
mmse     each weight becomes its mean over the 32 pairs of flips that fit, weighted by how common the
         weights they lead to are in the clean blocks of the same tensor; stores nothing
golden   the block is read again from an undamaged copy, such as the model's file
raise    an error that names the tensors
zero     all eight weights become 0, which hurts more than leaving the flips does: the paper's choice,
         here to be compared with

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479), for ``zero``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc import arena, code
from fulmen_zero_space_ecc.columns import BITS, CHECK_MASK, COLUMNS, DETECTED

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.placement import Layout, Segment

Policy = Literal["leave", "mmse", "golden", "raise", "zero"]
Blocks = NDArray[np.int64]

_AT_ONCE = 4096  # blocks: 32 candidates of 8 bytes each take some MB
_UNSEEN = 0.5  # how often a weight that no clean block has counts as seen


class UncorrectableError(RuntimeError):
    """Blocks have more flipped bits than can be corrected, and the policy is ``raise``."""


def apply_(
    policy: Policy,
    buffer: arena.Buffer,
    layout: Layout,
    detected: Blocks,
    segments: Sequence[Segment] = (),
    golden: arena.Buffer | None = None,
) -> Blocks:
    """Treat the detected blocks of an arena, in place.

    Args:
        policy: One of the five above.
        buffer: The arena, already scrubbed.
        layout: ``interleaved`` or ``paper``.
        detected: The numbers of its detected blocks, as `arena.scrub_` returns them.
        segments: Which tensors it holds: for ``mmse`` and for the error of ``raise``.
        golden: For ``golden``: the arena of the undamaged copy; only the blocks in question are read.

    Returns:
        The numbers of the blocks that are still no codewords: all with ``leave``, none with ``mmse``
        and ``zero``, with ``golden`` those whose copy is damaged too.

    Raises:
        UncorrectableError: the policy is ``raise`` and there are detected blocks.
        ValueError: the policy is unknown, or ``golden`` or ``segments`` are missing or do not fit.
    """
    if policy not in get_args(Policy):
        raise ValueError(f"policy {policy!r} is unknown; choose one of {', '.join(get_args(Policy))}.")
    if policy == "golden" and (golden is None or golden.size != buffer.size):
        found = "none is given" if golden is None else f"it has {golden.size:,} bytes"
        raise ValueError(f"policy golden needs a copy of the arena of {buffer.size:,} bytes; {found}.")
    if policy == "mmse" and not segments:
        raise ValueError("policy mmse needs the segments of the arena, to know how common a weight is.")
    if policy == "leave" or not len(detected):
        return detected
    if policy == "raise":
        raise UncorrectableError(_complaint(buffer.size, layout, detected, segments))
    if policy == "golden":
        assert golden is not None
        return golden_(buffer, layout, detected, golden)
    if policy == "mmse":
        mmse_(buffer, layout, detected, segments)
    else:
        zero_(buffer, layout, detected)
    return detected[:0]


def zero_(buffer: arena.Buffer, layout: Layout, detected: Blocks) -> None:
    """Set all weights of blocks to 0, in place; such a block is a codeword."""
    buffer[arena.block_bytes(detected, buffer.size, layout)] = 0


def golden_(buffer: arena.Buffer, layout: Layout, detected: Blocks, golden: arena.Buffer) -> Blocks:
    """Read blocks again from a copy, correcting single flips of the copy on the way.

    Returns:
        The numbers of the blocks that are damaged in the copy too; these stay as they are.
    """
    places = arena.block_bytes(detected, buffer.size, layout)
    weights, status = code.decode(np.array(golden[places]).view(np.int8))
    good = status != DETECTED
    buffer.view(np.int8)[places[good]] = code.encode(weights[good])
    return detected[~good]


def mmse_(buffer: arena.Buffer, layout: Layout, detected: Blocks, segments: Sequence[Segment]) -> None:
    """Replace the weights of blocks by their posterior means, in place; the blocks become codewords.

    A block with two flips has one of 32 pairs of them, equally likely before the weights are looked
    at. What a pair leads to is as likely as its eight weights are, each by the histogram of its
    tensor over the blocks that were not detected. The mean minimises the expected squared error.
    """
    weights = arena.decode(buffer, layout)
    all_places = arena.block_bytes(detected, buffer.size, layout)
    clean = np.ones(buffer.size, np.bool_)
    clean[all_places] = False
    starts = np.array([segment.offset for segment in segments])
    end = segments[-1].offset + segments[-1].numel
    owners = np.where(all_places < end, np.searchsorted(starts, all_places, side="right") - 1, len(segments))
    priors = _priors(weights, clean, segments, owners)
    for first in range(0, len(detected), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        places = all_places[part]
        candidates = _candidates(buffer.view(np.int8)[places])
        likely = priors[owners[part][:, None, :], candidates.astype(np.int64) + 128].sum(axis=2)
        likely = np.exp(likely - likely.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        means = np.einsum("nc,ncb->nb", likely, candidates.astype(np.float64))
        # A mean of weights of the box lies in the box, and so does what it rounds to.
        buffer.view(np.int8)[places] = code.encode(np.rint(means).astype(np.int8))


def _priors(
    weights: NDArray[np.int8],
    clean: NDArray[np.bool_],
    segments: Sequence[Segment],
    owners: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return log probabilities of -128..127, one row a segment and one for the padding, which is 0."""
    priors = np.zeros((len(segments) + 1, 256))
    priors[-1] = -1e3  # so unlikely that another candidate is taken, whatever the other weights are
    priors[-1, 128] = 0.0
    for number in np.unique(owners[owners < len(segments)]):
        segment = segments[number]
        part = slice(segment.offset, segment.offset + segment.numel)
        seen = weights[part][clean[part]].astype(np.int64) + 128
        counts = np.bincount(seen, minlength=256) + _UNSEEN
        priors[number] = np.log(counts / counts.sum())
    return priors


def _candidates(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the decoded weights of all 32 pairs of flips that fit, (n, 32, 8) from blocks (n, 8)."""
    bits = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")
    syndromes = np.bitwise_xor.reduce(bits * COLUMNS, axis=1)
    words = np.ascontiguousarray(rows).view(np.uint64) ^ _pairs()[syndromes]
    mask = np.uint64(CHECK_MASK)
    words = (words & ~mask) | ((words >> np.uint64(1)) & mask)
    return words.view(np.int8).reshape(len(rows), -1, 8)


@functools.cache
def _pairs() -> NDArray[np.uint64]:
    """Return, by even syndrome, the 32 pairs of bits whose flips have it: (64, 32) words of two 1s."""
    pairs: list[list[int]] = [[] for _ in range(BITS)]
    columns = COLUMNS.tolist()
    for b in range(BITS):
        for a in range(b):
            pairs[columns[a] ^ columns[b]].append(1 << a | 1 << b)
    pairs[0] = [0] * (BITS // 2)  # no flips: a codeword stays what it is
    return np.array(pairs, np.uint64)


def _complaint(size: int, layout: Layout, detected: Blocks, segments: Sequence[Segment]) -> str:
    places = arena.block_bytes(detected, size, layout)
    names = [
        segment.name
        for segment in segments
        if ((places >= segment.offset) & (places < segment.offset + segment.numel)).any()
    ]
    where = f" in {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}" if names else ""
    return (
        f"{len(detected):,} blocks of 8 weights{where} have two flipped bits, which can be detected but not "
        f"corrected; the first is block {detected[0]}. Load the model again, or choose policy mmse or golden."
    )
