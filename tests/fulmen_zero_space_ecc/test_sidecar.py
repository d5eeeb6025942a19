"""The file that repairs itself, beside the same flips in a file of torch.save."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from protected_toys import protected, same_bytes

from fulmen_zero_space_ecc.code import arena
from fulmen_zero_space_ecc.protected import sidecar
from fulmen_zero_space_ecc.protected.header import decode_header
from fulmen_zero_space_ecc.protected.policies import UncorrectableError

METHODS = pytest.mark.parametrize("method", ["mantissa", "secded72", "triple"])


def flipped(data: bytes, bits) -> bytes:
    faulty = bytearray(data)
    for bit in bits:
        faulty[int(bit) // 8] ^= 1 << int(bit) % 8
    return bytes(faulty)


@METHODS
@pytest.mark.parametrize("layout", ["interleaved", "paper"])
def test_it_holds_the_form_and_nothing_twice(layout, method):
    _, form = protected(layout, method)
    data = sidecar.dumps(form)
    checked = sidecar.loads(data)

    assert checked.is_clean
    assert same_bytes(checked.form, form)
    _, header = decode_header(data)
    parts = [form.payload.nbytes, form.floats.nbytes, form.spare.nbytes]
    assert header <= 4096
    assert len(data) == header + sum(part + -part % 64 for part in parts)


@METHODS
def test_a_thousand_single_flips_anywhere_are_each_recovered_bit_for_bit(method):
    data = sidecar.dumps(protected(method=method)[1])
    for bit in np.random.default_rng(0).integers(0, 8 * len(data), 1000):
        checked = sidecar.loads(flipped(data, [bit]))

        assert not checked.is_clean
        assert checked.mended.detected == 0
        assert sidecar.dumps(checked.form) == data


def test_a_thousand_double_flips_in_one_block_are_each_reported():
    _, form = protected()
    data = sidecar.dumps(form)
    _, start = decode_header(data)
    rng = np.random.default_rng(1)
    for block in rng.integers(0, form.placed.size // 8, 1000):
        (where,) = start + arena.block_bytes(np.array([block]), form.placed.size, form.placed.layout)
        one, other = rng.choice(64, 2, replace=False)
        bits = [8 * where[bit // 8] + bit % 8 for bit in (one, other)]

        assert sidecar.loads(flipped(data, bits)).mended.detected == 1
        with pytest.raises(UncorrectableError):
            sidecar.loads(flipped(data, bits), "raise")


def test_a_burst_of_64_neighbouring_bytes_is_repaired():
    """One bit of each, anywhere in the arena: interleaved blocks are hit once each."""
    _, form = protected()
    data = sidecar.dumps(form)
    _, start = decode_header(data)
    rng = np.random.default_rng(2)
    for at in rng.integers(start, start + form.placed.size - 64, 50):
        bits = 8 * np.arange(at, at + 64) + rng.integers(0, 8, 64)
        checked = sidecar.loads(flipped(data, bits))

        assert checked.mended.corrected == 64
        assert sidecar.dumps(checked.form) == data


def test_two_copies_of_the_header_may_be_lost():
    data = sidecar.dumps(protected()[1])
    _, header = decode_header(data)
    bits = np.random.default_rng(3).choice(8 * header * 2 // 3, 400, replace=False)

    assert sidecar.dumps(sidecar.loads(flipped(data, bits)).form) == data


def test_all_copies_of_the_header_may_be_damaged_in_other_places():
    """No checksum is right; the majority of each bit is."""
    data = sidecar.dumps(protected()[1])
    _, header = decode_header(data)
    copy = 8 * header // 3

    places = np.random.default_rng(6).choice(np.arange(128, 1024), 60, replace=False)
    bits = places + copy * (np.arange(60) % 3)

    assert sidecar.dumps(sidecar.loads(flipped(data, bits)).form) == data


def test_the_same_flips_in_a_file_of_torch_save_load_silently_wrong():
    _, form = protected()
    state = {"weight": form.payload.clone()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    start = data.index(state["weight"].numpy().tobytes())
    silent = 0
    for bit in np.random.default_rng(4).integers(0, 8 * form.placed.size, 200):
        loaded = torch.load(io.BytesIO(flipped(data, [8 * start + bit])), weights_only=True)
        silent += not torch.equal(loaded["weight"], state["weight"])

    assert silent == 200


def test_golden_restores_every_block():
    _, form = protected()
    data = sidecar.dumps(form)
    _, start = decode_header(data)
    blocks = form.placed.size // 8
    where = start + arena.block_bytes(np.arange(blocks), form.placed.size, form.placed.layout)
    rng = np.random.default_rng(5)
    pairs = np.array([rng.choice(64, 2, replace=False) for _ in range(blocks)])
    bits = (8 * where[np.arange(blocks)[:, None], pairs // 8] + pairs % 8).ravel()

    checked = sidecar.loads(flipped(data, bits), "golden", form)

    assert checked.mended.detected == blocks
    assert same_bytes(checked.form, form)
    assert not same_bytes(sidecar.loads(flipped(data, bits)).form, form)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "no header of a protected form"),
        (lambda data: b"ZSECC\0" + bytes(5), "no header of a protected form"),
        (lambda data: data[:-64], "the header says .*: cut short, or something was added"),
        (lambda data: data + bytes(64), "the header says .*: cut short, or something was added"),
        (lambda data: bytes(len(data)), "no header of a protected form"),
    ],
)
def test_what_is_no_side_car_is_refused(change, message):
    data = sidecar.dumps(protected()[1])

    with pytest.raises(ValueError, match=message):
        sidecar.loads(change(data))


def test_another_version_is_named():
    data = bytearray(sidecar.dumps(protected()[1]))
    import struct
    import zlib

    _, header = decode_header(bytes(data))
    for k in range(3):
        at = k * header // 3
        data[at + 6] = 9
        (length,) = struct.unpack_from("<I", data, at + 8)
        checksum = zlib.crc32(data[at + 16 : at + 16 + length], zlib.crc32(data[at : at + 12]))
        struct.pack_into("<I", data, at + 12, checksum)

    with pytest.raises(ValueError, match="of version 9; this fulmen reads version 1"):
        sidecar.loads(bytes(data))


def test_a_golden_copy_of_another_model_is_refused():
    data = sidecar.dumps(protected()[1])

    with pytest.raises(ValueError, match="golden copy is of another model"):
        sidecar.loads(data, "golden", protected("paper")[1])
