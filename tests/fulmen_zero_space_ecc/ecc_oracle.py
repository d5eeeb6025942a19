"""The (64, 57) code by its definition, bit by bit, sharing nothing with the plugin: what tests compare with.

``decode_block`` is plain Python; ``decode_rows`` is the same with numpy, where a million words are many.
"""

from __future__ import annotations

import numpy as np

TWISTS = [0, 0, 0, 1, 0, 2, 4, 0]
H = [(1 << 6) + (byte << 3) + (bit ^ TWISTS[byte]) for byte in range(8) for bit in range(8)]
LAYOUTS = ("interleaved", "paper")


def encode_block(weights: list[int]) -> list[int]:
    """Try all 128 sets of check bits; exactly one makes the syndrome 0."""
    plain = [(w & 0xFF) & (0xBF if i < 7 else 0xFF) for i, w in enumerate(weights)]
    candidates = [
        [byte | (0x40 if i < 7 and chosen >> i & 1 else 0) for i, byte in enumerate(plain)]
        for chosen in range(128)
    ]
    (found,) = [block for block in candidates if syndrome(block) == 0]
    return [signed(byte) for byte in found]


def decode_block(payload: list[int]) -> tuple[list[int], int]:
    block = [byte & 0xFF for byte in payload]
    s, status = syndrome(block), 0
    if s in H:
        block[H.index(s) // 8] ^= 1 << H.index(s) % 8
        status = 1
    elif s:
        status = 2
    weights = [(byte & 0xBF) | (byte >> 1 & 0x40) for byte in block[:7]] + block[7:]
    return [signed(byte) for byte in weights], status


def syndrome(block: list[int]) -> int:
    total = 0
    for i, byte in enumerate(block):
        for j in range(8):
            if byte >> j & 1:
                total ^= H[8 * i + j]
    return total


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def syndromes(rows: np.ndarray) -> np.ndarray:
    bits = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")
    matrix = np.unpackbits(np.array(H, np.uint8)[:, None], axis=1, bitorder="little")
    parities = (bits.astype(np.float32) @ matrix.astype(np.float32)).astype(np.int64) & 1
    return parities @ (1 << np.arange(8))


def decode_rows(payload: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = np.full(128, -1)
    place[H] = np.arange(64)
    s = syndromes(payload)
    bit, rows = place[s], payload.copy()
    single = np.flatnonzero(bit >= 0)
    rows.view(np.uint8)[single, bit[single] // 8] ^= (1 << bit[single] % 8).astype(np.uint8)
    held = rows[:, :7].view(np.uint8)
    rows[:, :7] = ((held & 0xBF) | (held >> 1 & 0x40)).view(np.int8)
    return rows, np.where(bit >= 0, 1, np.where(s == 0, 0, 2)).astype(np.uint8)


def random_weights(count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rows = generator.integers(-64, 64, (count, 8)).astype(np.int8)
    rows[:, 7] = generator.integers(-128, 128, count)
    return rows


def extreme_weights() -> np.ndarray:
    """All blocks whose bytes are the ends of what they may be, and some steady ones."""
    ends = [
        ((-64, 63)[c >> i & 1] if i < 7 else (-128, 127)[c >> i & 1]) for c in range(256) for i in range(8)
    ]
    steady = [[value] * 8 for value in (0, -1, 1, -2, 42, -43, -64, 63)]
    return np.concatenate([np.array(ends, np.int8).reshape(-1, 8), np.array(steady, np.int8)])


def flip(rows: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Flip bits (n, k), numbers in [0, 64) or -1 for none, one row of them a block; all different."""
    flipped = rows.copy()
    for column in bits.T:
        hit = np.flatnonzero(column >= 0)
        flipped.view(np.uint8)[hit, column[hit] // 8] ^= (1 << column[hit] % 8).astype(np.uint8)
    return flipped


def to_arena(rows: np.ndarray, layout: str) -> np.ndarray:
    return np.array(rows if layout == "paper" else rows.T, order="C", copy=True).reshape(-1)


def from_arena(buffer: np.ndarray, layout: str) -> np.ndarray:
    return buffer.reshape(-1, 8) if layout == "paper" else np.ascontiguousarray(buffer.reshape(8, -1).T)
