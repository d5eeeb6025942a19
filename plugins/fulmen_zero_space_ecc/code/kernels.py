"""Compiled loops over whole arenas: syndromes of eight blocks at a time, in 64-bit words.

Every kernel takes the arena as ``words``, a C-contiguous uint64 vector of ``8 n`` words, and works on
the columns ``start <= k < stop`` of ``n``. A column is 8 words that hold 8 whole blocks:

- interleaved: word ``k`` of each of the 8 planes; word ``i`` holds byte ``i`` of the 8 blocks;
- paper: 8 words out of 64 bytes of the arena, one block each; exchanging bytes (a transposition of
  8 x 8 bytes, in 3 steps) makes the same planes of them. Within a strip of ``m`` columns these are
  words ``k``, ``m + k``, ..., ``7 m + k``, so that neighbouring columns are neighbouring words.

So both layouts have rows of ``m`` words at ``base + step * i``, and one set of kernels serves both.

What makes them quick, measured (benchmarks/ecc_speed.py): no store in the loop that checks; unsigned
64-bit numbers alone, of which four or eight fit a register; syndromes or-ed together, with one branch
a strip; seven parities found in one tree that merges two bytes into one at each step.

All of this is in one file because numba's cache on disk notices a change of the file of a kernel, not
of what it calls. Bytes are numbered from the low end of a word: little-endian machines.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Words = NDArray[np.uint64]

STRIP = 1024  # columns: 64 KiB, checked between two branches
NARROW = 32  # columns: what is searched again where a strip is not clean
ENCODED = 512  # columns: 32 KiB, read twice: for the changes, and to change them


def _every(byte: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([byte] * 8), "little"))


_1, _2, _4, _6, _7, _8, _14, _16, _28, _32 = (np.uint64(n) for n in (1, 2, 4, 6, 7, 8, 14, 16, 28, 32))
_0 = np.uint64(0)
_J0, _J1, _J2 = _every(0b10101010), _every(0b11001100), _every(0b11110000)  # where j has bit 0, 1, 2
_EVEN_PARITIES, _ODD_PARITIES = _every(0b01010101), _every(0b00010101)
_SIGN, _CHECK, _SEVEN = _every(0x80), _every(0x40), _every(0x7F)
_LOW_BYTES, _LOW_PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_LOW_HALF = np.uint64(0x00000000FFFFFFFF)
_ROW_CHECKS = np.uint64(0x0040404040404040)
_SYNDROME = np.uint64(0x7F)


@njit
def _merge(a, b, shift, upper):  # type: ignore[no-untyped-def]
    """Halve the bits of two words: in each group, a's folded onto its lower half, b's onto its upper."""
    x = a ^ (a >> shift)
    y = b ^ (b << shift)
    return x ^ ((x ^ y) & upper)


@njit
def _parity_pairs(f0, f1, f2, f3, f4, f5, f6):  # type: ignore[no-untyped-def]
    """Fold the bytes of seven words until two bits are left of each: 0 2 4 6 and 1 3 5 -, low bits first."""
    f04, f15, f26 = _merge(f0, f4, _4, _J2), _merge(f1, f5, _4, _J2), _merge(f2, f6, _4, _J2)
    f3 ^= f3 >> _4
    return _merge(f04, f26, _2, _J1), _merge(f15, f3, _2, _J1)


@njit
def _parities(f0, f1, f2, f3, f4, f5, f6):  # type: ignore[no-untyped-def]
    """Return, in bit r of each byte, the parity of that byte of word fr; bit 7 is 0."""
    even, odd = _parity_pairs(f0, f1, f2, f3, f4, f5, f6)
    return _merge(even, odd, _1, _J0) & _SEVEN


@njit
def _sums(x0, x1, x2, x3, x4, x5, x6, x7):  # type: ignore[no-untyped-def]
    """Return bytes whose parities are the syndrome's bits j0 j1 j2 i0 i1 i2 p, of 8 blocks."""
    x23, x67 = x2 ^ x3, x6 ^ x7
    i2 = x4 ^ x5 ^ x67
    i1 = x23 ^ x67
    i0 = x1 ^ x3 ^ x5 ^ x7
    p = x0 ^ x1 ^ x23 ^ i2
    # The twists of bytes 3, 5 and 6 are 1, 2 and 4: each adds its whole byte to one of the j.
    return (p & _J0) ^ x3, (p & _J1) ^ x5, (p & _J2) ^ x6, i0, i1, i2, p


@njit
def _syndromes(x0, x1, x2, x3, x4, x5, x6, x7):  # type: ignore[no-untyped-def]
    """Return the syndromes of 8 blocks, one a byte, from their planes: 64 p + 8 i + j as in columns.py."""
    j0, j1, j2, i0, i1, i2, p = _sums(x0, x1, x2, x3, x4, x5, x6, x7)
    return _parities(j0, j1, j2, i0, i1, i2, p)


@njit
def _changes(x0, x1, x2, x3, x4, x5, x6, x7):  # type: ignore[no-untyped-def]
    """Return which check bits must change for 8 blocks to be codewords: bit c of a byte for byte c.

    Solves the 7 check columns for the syndrome. Parity is linear, so that whole bytes are added before
    one parity each, and what the check bits are now needs no mask.
    """
    j0, j1, j2, i0, i1, i2, p = _sums(x0, x1, x2, x3, x4, x5, x6, x7)
    c5, c6 = j1 ^ p, j2 ^ p
    c4 = j1 ^ j2 ^ i2
    return _parities(c4 ^ j0 ^ i0 ^ i1 ^ p, j0 ^ i0 ^ c5, j0 ^ i1 ^ c6, j0, c4, c5, c6)


@njit
def _exchange(a, b, shift, low):  # type: ignore[no-untyped-def]
    """Exchange the upper parts of a with the lower parts of b."""
    t = ((a >> shift) ^ b) & low
    return a ^ (t << shift), b ^ t


@njit
def _planes(w0, w1, w2, w3, w4, w5, w6, w7):  # type: ignore[no-untyped-def]
    """Transpose 8 x 8 bytes: word i of the result holds byte i of the 8 words."""
    w0, w4 = _exchange(w0, w4, _32, _LOW_HALF)
    w1, w5 = _exchange(w1, w5, _32, _LOW_HALF)
    w2, w6 = _exchange(w2, w6, _32, _LOW_HALF)
    w3, w7 = _exchange(w3, w7, _32, _LOW_HALF)
    w0, w2 = _exchange(w0, w2, _16, _LOW_PAIRS)
    w1, w3 = _exchange(w1, w3, _16, _LOW_PAIRS)
    w4, w6 = _exchange(w4, w6, _16, _LOW_PAIRS)
    w5, w7 = _exchange(w5, w7, _16, _LOW_PAIRS)
    w0, w1 = _exchange(w0, w1, _8, _LOW_BYTES)
    w2, w3 = _exchange(w2, w3, _8, _LOW_BYTES)
    w4, w5 = _exchange(w4, w5, _8, _LOW_BYTES)
    w6, w7 = _exchange(w6, w7, _8, _LOW_BYTES)
    return w0, w1, w2, w3, w4, w5, w6, w7


@njit
def _rows(words, paper, k, m):  # type: ignore[no-untyped-def]
    """Return where the rows of the columns k to k + m begin, and how far apart they are."""
    if paper:
        return 8 * k, m
    return k, words.size // 8


@njit
def _any_of_planes(r0, r1, r2, r3, r4, r5, r6, r7):  # type: ignore[no-untyped-def]
    even_seen = odd_seen = _0
    for k in range(r0.size):
        j0, j1, j2, i0, i1, i2, p = _sums(r0[k], r1[k], r2[k], r3[k], r4[k], r5[k], r6[k], r7[k])
        even, odd = _parity_pairs(j0, j1, j2, i0, i1, i2, p)
        even_seen |= even ^ (even >> _1)
        odd_seen |= odd ^ (odd >> _1)
    return (even_seen & _EVEN_PARITIES) | (odd_seen & _ODD_PARITIES)


@njit
def _any_of_words(r0, r1, r2, r3, r4, r5, r6, r7):  # type: ignore[no-untyped-def]
    even_seen = odd_seen = _0
    for k in range(r0.size):
        x0, x1, x2, x3, x4, x5, x6, x7 = _planes(r0[k], r1[k], r2[k], r3[k], r4[k], r5[k], r6[k], r7[k])
        j0, j1, j2, i0, i1, i2, p = _sums(x0, x1, x2, x3, x4, x5, x6, x7)
        even, odd = _parity_pairs(j0, j1, j2, i0, i1, i2, p)
        even_seen |= even ^ (even >> _1)
        odd_seen |= odd ^ (odd >> _1)
    return (even_seen & _EVEN_PARITIES) | (odd_seen & _ODD_PARITIES)


@njit
def _any(words, paper, k, m):  # type: ignore[no-untyped-def]
    """Return whether any block of m columns from k on has a syndrome."""
    b, s = _rows(words, paper, k, m)
    r0, r1 = words[b : b + m], words[b + s : b + s + m]
    r2, r3 = words[b + 2 * s : b + 2 * s + m], words[b + 3 * s : b + 3 * s + m]
    r4, r5 = words[b + 4 * s : b + 4 * s + m], words[b + 5 * s : b + 5 * s + m]
    r6, r7 = words[b + 6 * s : b + 6 * s + m], words[b + 7 * s : b + 7 * s + m]
    if paper:
        return _any_of_words(r0, r1, r2, r3, r4, r5, r6, r7) != _0
    return _any_of_planes(r0, r1, r2, r3, r4, r5, r6, r7) != _0


@njit
def _column_syndromes(words, paper, first, step):  # type: ignore[no-untyped-def]
    x0, x1, x2, x3 = words[first], words[first + step], words[first + 2 * step], words[first + 3 * step]
    first += 4 * step
    x4, x5, x6, x7 = words[first], words[first + step], words[first + 2 * step], words[first + 3 * step]
    if paper:
        x0, x1, x2, x3, x4, x5, x6, x7 = _planes(x0, x1, x2, x3, x4, x5, x6, x7)
    return _syndromes(x0, x1, x2, x3, x4, x5, x6, x7)


@njit(nogil=True, cache=True)
def count(words, paper, start, stop):  # type: ignore[no-untyped-def]
    """Return how many blocks have a syndrome."""
    found = 0
    for g in range(start, stop, STRIP):
        strip = min(STRIP, stop - g)
        if not _any(words, paper, g, strip):
            continue
        base, step = _rows(words, paper, g, strip)
        for k in range(strip):
            syndromes = _column_syndromes(words, paper, base + k, step)
            while syndromes != _0:
                found += (syndromes & _SYNDROME) != _0
                syndromes >>= _8
    return found


@njit(nogil=True, cache=True)
def scrub(words, paper, start, stop, positions, detected_blocks):  # type: ignore[no-untyped-def]
    """Flip back the bit that each odd syndrome tells, in place; leave blocks of even syndrome alone.

    Returns how many blocks were corrected and how many detected; the numbers of the latter are in
    ``detected_blocks`` as far as they fit.
    """
    corrected = detected = 0
    for g in range(start, stop, STRIP):
        end = min(g + STRIP, stop)
        if not _any(words, paper, g, end - g):
            continue
        for h in range(g, end, NARROW):
            m = min(NARROW, end - h)
            if not _any(words, paper, h, m):
                continue
            base, step = _rows(words, paper, h, m)
            for k in range(m):
                syndromes = _column_syndromes(words, paper, base + k, step)
                lane = 0
                while syndromes != _0:
                    syndrome = syndromes & _SYNDROME
                    if syndrome >= np.uint64(64):
                        bit = np.int64(positions[syndrome])
                        byte, place = bit >> 3, bit & 7
                        row, at = (lane, byte) if paper else (byte, lane)
                        words[base + k + row * step] ^= _1 << np.uint64(8 * at + place)
                        corrected += 1
                    elif syndrome != _0:
                        if detected < detected_blocks.size:
                            block = 8 * h + lane * m + k if paper else 8 * (h + k) + lane
                            detected_blocks[detected] = block
                        detected += 1
                    syndromes >>= _8
                    lane += 1
    return corrected, detected


@njit
def _outside(x0, x1, x2, x3, x4, x5, x6):  # type: ignore[no-untyped-def]
    """Return words whose bit 7 of a byte is 1 where bits 6 and 7 of a held byte differ."""
    return (
        (x0 ^ (x0 << _1)) | (x1 ^ (x1 << _1)) | (x2 ^ (x2 << _1)) | (x3 ^ (x3 << _1))
        | (x4 ^ (x4 << _1)) | (x5 ^ (x5 << _1)) | (x6 ^ (x6 << _1))
    )  # fmt: skip


@njit
def _changes_of_planes(r0, r1, r2, r3, r4, r5, r6, r7, changes):  # type: ignore[no-untyped-def]
    outside = _0
    for k in range(changes.size):
        x0, x1, x2, x3, x4, x5, x6 = r0[k], r1[k], r2[k], r3[k], r4[k], r5[k], r6[k]
        outside |= _outside(x0, x1, x2, x3, x4, x5, x6)
        changes[k] = _changes(x0, x1, x2, x3, x4, x5, x6, r7[k])
    return outside & _SIGN


@njit
def _changes_of_words(r0, r1, r2, r3, r4, r5, r6, r7, changes):  # type: ignore[no-untyped-def]
    outside = _0
    for k in range(changes.size):
        x0, x1, x2, x3, x4, x5, x6, x7 = _planes(r0[k], r1[k], r2[k], r3[k], r4[k], r5[k], r6[k], r7[k])
        outside |= _outside(x0, x1, x2, x3, x4, x5, x6)
        changes[k] = _changes(x0, x1, x2, x3, x4, x5, x6, x7)
    return outside & _SIGN


@njit
def _change_plane(row, changes, byte):  # type: ignore[no-untyped-def]
    up = np.uint64(6 - byte)
    for k in range(changes.size):
        row[k] ^= (changes[k] << up) & _CHECK


@njit
def _change_words(row, changes, lane):  # type: ignore[no-untyped-def]
    down = np.uint64(8 * lane)
    for k in range(changes.size):
        # Copies of the 7 bits side by side: bit i of copy i stands at 8 i, where a mask can take it.
        bits = (changes[k] >> down) & _SYNDROME
        bits |= bits << _7
        bits |= bits << _14
        bits |= bits << _28
        row[k] ^= (bits << _6) & _ROW_CHECKS


@njit(nogil=True, cache=True)
def encode(words, paper, start, stop):  # type: ignore[no-untyped-def]
    """Write the check bits, in place, until a held byte lies outside [-64, 63].

    Returns the column up to which they are written: ``stop`` where all is well.
    """
    scratch = np.empty(ENCODED, np.uint64)
    for g in range(start, stop, ENCODED):
        m = min(ENCODED, stop - g)
        changes = scratch[:m]
        b, s = _rows(words, paper, g, m)
        r0, r1 = words[b : b + m], words[b + s : b + s + m]
        r2, r3 = words[b + 2 * s : b + 2 * s + m], words[b + 3 * s : b + 3 * s + m]
        r4, r5 = words[b + 4 * s : b + 4 * s + m], words[b + 5 * s : b + 5 * s + m]
        r6, r7 = words[b + 6 * s : b + 6 * s + m], words[b + 7 * s : b + 7 * s + m]
        if paper:
            outside = _changes_of_words(r0, r1, r2, r3, r4, r5, r6, r7, changes)
        else:
            outside = _changes_of_planes(r0, r1, r2, r3, r4, r5, r6, r7, changes)
        if outside != _0:
            return g
        for row in range(8 if paper else 7):
            if paper:
                _change_words(words[b + row * s : b + row * s + m], changes, row)
            else:
                _change_plane(words[b + row * s : b + row * s + m], changes, row)
    return stop


@njit(nogil=True, cache=True)
def decode(words, out, checks, start, stop, end):  # type: ignore[no-untyped-def]
    """Copy words start to end; those before stop with each bit of ``checks`` from its upper neighbour.

    ``out`` is other memory. Works on words, not on columns, and knows no layout.
    """
    source, target = words[start:stop], out[start:stop]
    kept = ~checks
    for k in range(source.size):
        target[k] = (source[k] & kept) | ((source[k] >> _1) & checks)
    # Here too, since a copy by memcpy is several times slower where the two lie alike in their pages.
    source, target = words[stop:end], out[stop:end]
    for k in range(source.size):
        target[k] = source[k] | (checks & _0)


@njit(nogil=True, cache=True)
def decode_(words, checks, start, stop):  # type: ignore[no-untyped-def]
    """As `decode`, in place; apart from it, since a loop over two arrays that overlap is not vectorised."""
    row = words[start:stop]
    kept = ~checks
    for k in range(row.size):
        row[k] = (row[k] & kept) | ((row[k] >> _1) & checks)
