"""The page for firmware: its C decoder is compiled as it stands there, and agrees with ours."""

from __future__ import annotations

import ctypes
import re
import shutil
import struct
import subprocess

import ecc_oracle as oracle
import numpy as np
import pytest
from protected_toys import protected

from fulmen_zero_space_ecc import code
from fulmen_zero_space_ecc.code import arena, floats
from fulmen_zero_space_ecc.protected import sidecar

PAGE = "docs/plugins/zero_space_ecc_format.md"
COMPILER = shutil.which("cc")
compiled = pytest.mark.skipif(COMPILER is None, reason="no C compiler (cc)")


@pytest.fixture(scope="module")
def source(request) -> str:
    return re.search(r"```c\n(.*?)```", (request.config.rootpath / PAGE).read_text(), re.DOTALL)[1]


@pytest.fixture(scope="module")
def decoder(source, tmp_path_factory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("decoder")
    (folder / "decoder.c").write_text(source)
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *flags, "decoder.c", "-o", "decoder.so"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "decoder.so"))
    library.zse_arena.restype = library.zse_scrub.restype = ctypes.c_size_t
    library.zse_weight.restype = ctypes.c_int8
    return library


def scrub(decoder: ctypes.CDLL, buffer: np.ndarray, layout: str) -> tuple[int, int]:
    detected = ctypes.c_size_t()
    corrected = decoder.zse_scrub(
        ctypes.c_void_p(buffer.ctypes.data),
        ctypes.c_size_t(buffer.size),
        layout == "interleaved",
        ctypes.byref(detected),
    )
    return corrected, detected.value


def weights(decoder: ctypes.CDLL, buffer: np.ndarray, layout: str) -> list[int]:
    address, size = ctypes.c_void_p(buffer.ctypes.data), ctypes.c_size_t(buffer.size)
    return [
        decoder.zse_weight(address, size, layout == "interleaved", ctypes.c_size_t(k))
        for k in range(buffer.size)
    ]


def arena_offset(decoder: ctypes.CDLL, data: bytes) -> int:
    return decoder.zse_arena(ctypes.c_char_p(data), ctypes.c_size_t(len(data)))


def test_the_decoder_is_short(source):
    assert len(source.splitlines()) <= 40


@compiled
@pytest.mark.parametrize("layout", oracle.LAYOUTS)
def test_it_agrees_on_a_million_blocks_with_up_to_three_flips(decoder, layout):
    generator = np.random.default_rng(1)
    clean = code.encode(oracle.random_weights(1_000_000, 2))
    flips = generator.permuted(np.tile(np.arange(0, 64, 16), (len(clean), 1)), axis=1)[:, :3]
    flips += generator.integers(0, 16, flips.shape)
    flips[np.arange(3) >= generator.integers(0, 4, (len(clean), 1))] = -1
    buffer = oracle.to_arena(oracle.flip(clean, flips), layout)
    ours = buffer.copy()

    corrected, detected = arena.scrub_(ours, layout)

    assert scrub(decoder, buffer, layout) == (corrected, len(detected))
    np.testing.assert_array_equal(buffer, ours)
    assert min(corrected, len(detected)) > 200_000


@compiled
@pytest.mark.parametrize("layout", oracle.LAYOUTS)
def test_it_reads_the_weights_of_a_file_with_a_flip_anywhere(decoder, layout):
    _, form = protected(layout)
    data = sidecar.dumps(form)
    size = form.payload.numel()
    expected = arena.decode(form.payload.numpy(), layout)
    for bit in np.random.default_rng(3).integers(0, 8 * len(data), 300):
        faulty = bytearray(data)
        faulty[bit // 8] ^= 1 << bit % 8

        start = arena_offset(decoder, bytes(faulty))
        buffer = np.frombuffer(faulty[start : start + size], np.int8).copy()
        hit = start <= bit // 8 < start + size

        assert scrub(decoder, buffer, layout) == (int(hit), 0)
        np.testing.assert_array_equal(buffer, form.payload.numpy())
    assert weights(decoder, buffer, layout) == expected.tolist()


@compiled
def test_it_finds_no_arena_in_what_is_no_such_file(decoder):
    data = sidecar.dumps(protected()[1])
    start = arena_offset(decoder, data)

    assert start % 192 == 0
    assert data[start : start + 64] == protected()[1].payload.numpy().tobytes()[:64]
    assert arena_offset(decoder, bytes(len(data))) == 0
    assert arena_offset(decoder, data[:191]) == 0
    assert arena_offset(decoder, data[: start // 3] + bytes(start)) == 0  # one copy of three


def test_the_header_is_as_the_page_says():
    data = sidecar.dumps(protected()[1])
    magic, version, length = struct.unpack_from("<6sHI", data)
    copy = -(-(16 + length) // 64) * 64

    assert (magic, version) == (b"ZSECC\0", 1)
    assert data[:copy] == data[copy : 2 * copy] == data[2 * copy : 3 * copy]


def test_the_columns_of_the_floats_are_as_the_page_says():
    numbers = np.random.default_rng(4).normal(size=2000).astype(np.float32)
    spare = floats.encode_(numbers)
    assert spare.size == 0
    checks = dict(zip((0, 1, 2, 3, 32, 33, 34), (64, 65, 66, 68, 72, 80, 96), strict=True))
    others = iter(n for n in range(67, 128) if n not in checks.values())
    columns = np.array([checks[bit] if bit in checks else next(others) for bit in range(64)])
    bits = np.unpackbits(numbers.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")

    assert not np.bitwise_xor.reduce(bits * columns, axis=1).any()
