"""A model in its protected form: nothing added, everything given back, faults mended by policy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from protected_toys import TOKENS, held_model, protected, same_bytes
from torch.testing import assert_close

from fulmen_zero_space_ecc.code import arena
from fulmen_zero_space_ecc.protected.form import own_state, protect
from fulmen_zero_space_ecc.protected.policies import UncorrectableError
from fulmen_zero_space_ecc.protected.state import FLOATS, HEADER, PAYLOAD, decode, from_state, to_state
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.quantization import quantize

LAYOUTS = pytest.mark.parametrize("layout", ["interleaved", "paper"])


def flip(form, block, bits):
    (where,) = arena.block_bytes(np.array([block]), form.placed.size, form.placed.layout)
    for bit in bits:
        form.payload.numpy().view(np.uint8)[where[bit // 8]] ^= 1 << bit % 8


@LAYOUTS
def test_the_weights_come_back(layout):
    model, form = protected(layout)
    scales = held_model(layout)[1]

    for name, integers in form.integers().items():
        expected = quantize(model.get_parameter(name), torch.tensor(scales[name]))
        assert torch.equal(integers.float(), expected)


@LAYOUTS
def test_no_byte_is_added_but_padding(layout):
    _, form = protected(layout)
    weights = sum(segment.numel for segment in form.placed.segments)

    assert form.payload.numel() == weights + form.placed.padding
    assert form.placed.padding <= 63
    assert form.spare.numel() == 0
    assert form.extra_bytes <= 63 + 4
    state = to_state(form)
    assert sum(state[key].nbytes for key in (PAYLOAD, FLOATS)) == form.payload.nbytes + form.floats.nbytes


def test_a_model_takes_the_state_back_and_computes_the_same_within_a_step():
    model, form = protected()
    other = held_model(seed=1)[0]

    other.load_state_dict(decode(to_state(form)))

    scale = max(held_model()[1].values())
    assert_close(other(TOKENS), model(TOKENS), atol=20 * scale, rtol=0.1)
    assert torch.equal(other.head.weight, other.embed.weight)


def test_a_state_dict_goes_through_a_file(tmp_path):
    _, form = protected()
    torch.save(to_state(form), tmp_path / "form.pt")

    loaded = from_state(torch.load(tmp_path / "form.pt", weights_only=True))

    assert same_bytes(loaded, form)
    assert loaded.placed == form.placed
    assert torch.equal(loaded.others["norm.num_batches_tracked"], torch.tensor(1))


@LAYOUTS
@pytest.mark.parametrize("method", ["mantissa", "secded72", "triple"])
def test_one_wrong_bit_in_every_block_and_pair_is_corrected(layout, method):
    _, form = protected(layout, method)
    clean = from_state(to_state(form))
    rng = np.random.default_rng(0)
    for block in range(form.placed.size // 8):
        flip(form, block, [int(rng.integers(64))])
    words = form.floats.numpy().view(np.uint64)
    words ^= np.uint64(1) << rng.integers(0, 64, words.size).astype(np.uint64)

    mended = form.scrub_()

    assert mended.corrected == form.placed.size // 8 + words.size
    assert mended.detected == 0
    assert same_bytes(form, clean)


@pytest.mark.parametrize("policy", ["leave", "mmse", "golden", "zero"])
def test_policies_meet_two_wrong_bits(policy):
    _, form = protected()
    clean = from_state(to_state(form))
    flip(form, 3, [7, 15])  # two signs
    stood = form.payload.clone()

    mended = form.scrub_(policy, clean if policy == "golden" else None)

    assert (mended.corrected, mended.detected) == (0, 1)
    (where,) = arena.block_bytes(np.array([3]), form.placed.size, form.placed.layout)
    block = arena.decode(form.payload.numpy(), form.placed.layout)[where].astype(int)
    right = arena.decode(clean.payload.numpy(), form.placed.layout)[where].astype(int)
    if policy == "leave":
        assert torch.equal(form.payload, stood)
    elif policy == "golden":
        assert same_bytes(form, clean)
    elif policy == "zero":
        assert not block.any()
    else:
        left = arena.decode(stood.numpy(), form.placed.layout)[where].astype(int)
        assert ((block - right) ** 2).sum() < ((left - right) ** 2).sum()
    if policy != "leave":  # what was put there is a code word
        assert form.scrub_().detected == 0


def test_raise_raises():
    _, form = protected()
    flip(form, 3, [7, 15])

    with pytest.raises(UncorrectableError, match="1 blocks of weights"):
        form.scrub_("raise")


def test_golden_needs_a_copy():
    _, form = protected()
    flip(form, 3, [7, 15])

    with pytest.raises(ValueError, match="needs a copy to read from"):
        form.scrub_("golden")


def test_decoding_tells_of_bit_rot():
    _, form = protected()
    flip(form, 2, [5])
    flip(form, 4, [5, 6])

    with pytest.warns(UserWarning, match="zero_space_ecc: ") as told:
        decode(to_state(form))

    assert [str(line.message).split(";")[0] for line in told] == [
        "zero_space_ecc: 1 wrong bits of the file were corrected.",
        "zero_space_ecc: 1 blocks of the file have two wrong bits, beyond correction",
    ]


def test_a_header_survives_faults_in_each_copy():
    _, form = protected()
    state = to_state(form)
    length = state[HEADER].numel() // 3
    for k, at in enumerate((0, 9, 200)):  # the magic of one, the length of another, the text of the third
        state[HEADER][k * length + at] ^= 1

    assert same_bytes(from_state(state), form)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop(PAYLOAD), "without zero_space_ecc.payload"),
        (
            lambda state: state.update({PAYLOAD: state[PAYLOAD][:-64]}),
            "payload: .* cut short, or of another model",
        ),
        (
            lambda state: state.update({FLOATS: state[FLOATS].double()}),
            "floats: .* cut short, or of another model",
        ),
        (lambda state: state[HEADER].zero_(), "no header of a protected form"),
        (lambda state: state.update({HEADER: state[HEADER][:40]}), "no header of a protected form"),
    ],
)
def test_a_damaged_state_is_refused(change, message):
    state = to_state(protected()[1])
    change(state)

    with pytest.raises(ValueError, match=message):
        from_state(state)


def spoil(model, how):
    if how == "large":
        with torch.no_grad():
            model.grouped.weight.view(-1)[:5] = 10
    elif how == "nan":
        with torch.no_grad():
            model.grouped.weight.view(-1)[0] = torch.nan
    elif how == "bias":
        with torch.no_grad():
            model.grouped.bias[0] = torch.inf
    else:
        model.layer_norm.double()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            "large",
            r"5 held weights lie outside \[-64, 63\] \(grouped.weight: 5\).*Train with the callback wot",
        ),
        ("nan", "grouped.weight: some weights are not finite"),
        ("bias", "grouped.bias: some values are not finite"),
        ("double", "layer_norm.weight: is torch.float64; float32 is needed"),
    ],
)
def test_what_cannot_be_protected_is_named(how, message):
    model, scales = held_model()
    spoil(model, how)
    state, aliases = own_state(model)

    with pytest.raises(ValueError, match=message):
        protect(state, placement(model), scales, aliases=aliases)
