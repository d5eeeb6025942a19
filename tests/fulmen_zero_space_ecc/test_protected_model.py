"""A model that computes from protected bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from protected_toys import TOKENS, EveryLayer, held_model, protected

from fulmen_zero_space_ecc.code import arena, floats, hsiao
from fulmen_zero_space_ecc.protected.decoding import WeightReader, dequantize
from fulmen_zero_space_ecc.protected.form import own_state, protect
from fulmen_zero_space_ecc.protected.model import ProtectedModel
from fulmen_zero_space_ecc.protected.state import from_state, to_state
from fulmen_zero_space_ecc.weights.data_free import best_scale
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.scales import channel_axis
from fulmen_zero_space_ecc.weights.throttle import throttle_

MODES = pytest.mark.parametrize("mode", ["decode_on_use", "shadow"])


def reference(form, numbers=None) -> EveryLayer:
    """The float model that the form stands for."""
    model = EveryLayer().eval()
    model.load_state_dict({**form.state_dict(), **(numbers or {})})
    return model


@MODES
@pytest.mark.parametrize("layout", ["interleaved", "paper"])
def test_it_computes_what_the_bytes_stand_for(mode, layout):
    model, form = protected(layout)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    served = ProtectedModel(model, form, mode=mode)

    served.attach()
    out = model(TOKENS)
    served.detach()

    assert torch.equal(out, reference(form)(TOKENS))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.head.weight is model.embed.weight


@pytest.mark.parametrize("layout", ["interleaved", "paper"])
def test_torch_decodes_the_same_numbers_as_the_compiled_loops(layout):
    _, form = protected(layout)
    rng = np.random.default_rng(0)
    form.payload.copy_(torch.from_numpy(rng.integers(-128, 128, form.payload.numel()).astype(np.int8)))

    for segment in form.placed.segments:
        scale = form.scale_in_place(segment.name)
        compiled = np.empty(segment.numel, np.float32)
        WeightReader(form.payload.numpy(), segment, layout, scale.numpy()).read(compiled)
        plain = dequantize(form.payload, segment, layout, scale)
        assert plain.shape == segment.shape
        np.testing.assert_array_equal(plain.reshape(-1).numpy(), compiled)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@MODES
def test_on_a_gpu_it_computes_from_its_memory_and_mends_that(mode):
    model, form = protected()
    model, form = model.cuda(), form.to(torch.device("cuda"))
    served = ProtectedModel(model, form, mode=mode)
    served.attach()
    clean = model(TOKENS.cuda())

    form.payload[100] ^= 4
    found = served.scrub()

    assert found.corrected == 1
    assert torch.equal(model(TOKENS.cuda()), clean)
    torch.testing.assert_close(clean.cpu(), reference(form.to(torch.device("cpu")))(TOKENS))


def test_with_gradients_each_layer_has_a_weight_of_its_own():
    """Without, they share one place: what looks back at a weight would see the next layer's."""
    model, form = protected()
    served = ProtectedModel(model, form)
    served.attach()
    soft = torch.zeros(4, 16, 8, requires_grad=True)

    def tail(net, x):
        x = net.transposed(net.depthwise(net.norm(net.grouped(x.mT))).relu())
        return net.head(net.layer_norm(x.mT)).square().sum()

    (found,) = torch.autograd.grad(tail(model, soft + 1), soft)
    (expected,) = torch.autograd.grad(tail(reference(form), soft + 1), soft)
    with torch.no_grad():
        without = model(TOKENS)

    assert torch.equal(found, expected)
    assert torch.equal(without, reference(form)(TOKENS))
    served.detach()


def test_while_attached_the_model_holds_the_stored_bytes_and_no_float_weight():
    model, form = protected()
    served = ProtectedModel(model, form)
    served.attach()

    assert model.grouped.weight.dtype == torch.int8
    assert not {"grouped.weight", "embed.weight"} & {name for name, _ in model.named_parameters()}
    assert model.grouped.bias.data_ptr() >= form.floats.data_ptr()
    storages = {t.untyped_storage().data_ptr() for t in model.state_dict().values() if t.dtype == torch.int8}
    assert storages == {form.payload.untyped_storage().data_ptr()}
    served.detach()


@MODES
def test_a_fault_is_seen_until_it_is_scrubbed(mode):
    model, form = protected()
    clean = reference(form)(TOKENS)
    served = ProtectedModel(model, form, mode=mode)
    served.attach()
    form.payload[5] ^= -128  # the sign of a weight
    faulty = model(TOKENS)

    mended = served.scrub()

    assert torch.equal(faulty, clean) == (mode == "shadow")  # whose copies are of before
    assert mended.corrected == 1
    assert torch.equal(model(TOKENS), clean)
    assert (served.shadow_bytes > 0) == (mode == "shadow")
    served.detach()


def test_a_fault_in_a_bias_is_mended_too():
    model, form = protected()
    served = ProtectedModel(model, form)
    served.attach()
    clean = model(TOKENS)
    with torch.no_grad():
        model.grouped.bias[0] = -model.grouped.bias[0]

    assert not torch.equal(model(TOKENS), clean)
    assert served.scrub().corrected == 1
    assert torch.equal(model(TOKENS), clean)
    served.detach()


def test_it_computes_the_same_under_72_64_whatever_single_bit_of_each_block_is_wrong():
    """Both codes correct the same flips; in place they cost nothing."""
    model, form = protected()
    served = ProtectedModel(model, form)
    served.attach()
    plain = arena.decode(form.payload.numpy(), form.placed.layout)
    rng = np.random.default_rng(0)
    for _ in range(20):
        bits = rng.integers(0, 64, form.placed.size // 8)
        hit = rng.random(bits.size) < rng.random()
        where = arena.block_bytes(np.arange(bits.size), form.placed.size, form.placed.layout)
        flipped = where[np.arange(bits.size), bits // 8]
        pattern = np.where(hit, 1 << bits % 8, 0).astype(np.uint8)
        np.bitwise_xor.at(form.payload.numpy().view(np.uint8), flipped, pattern)
        rows = plain[where].view(np.uint8)
        checks = hsiao.check_bytes(rows)
        faulty = rows.copy()
        faulty[np.arange(bits.size), bits // 8] ^= pattern
        mended, _ = hsiao.correct(faulty, checks)
        other = from_state(to_state(form))
        under_72 = plain.copy()
        under_72[where] = mended.view(np.int8)
        arena.encode_(under_72, form.placed.layout)
        other.payload.copy_(torch.from_numpy(under_72))

        served.scrub()

        assert torch.equal(model(TOKENS), reference(other)(TOKENS))
    served.detach()


def test_scales_of_channels():
    """Searched without data; of a transposed convolution they lie along the second axis."""
    model, _ = held_model()
    placed = placement(model)
    scales = {
        s.name: best_scale(
            model.get_parameter(s.name),
            s.held_mask(),
            "channel",
            channel_axis(model.get_submodule(s.layers[0])),
        )
        for s in placed.segments
    }
    with torch.no_grad():
        for segment in placed.segments:
            throttle_(model.get_parameter(segment.name), scales[segment.name], segment.free)
    state, aliases = own_state(model)
    form = protect(state, placed, {name: s.tolist() for name, s in scales.items()}, aliases=aliases)
    served = ProtectedModel(model, form)
    served.attach()

    assert form.scale("transposed.weight").shape == (1, 8, 1)
    assert torch.equal(model(TOKENS), reference(form)(TOKENS))
    served.detach()


def test_frozen_compilation_is_refused():
    import torch._inductor.config as inductor

    model, form = protected()
    model.compile()

    with (
        inductor.patch(freezing=True),
        pytest.raises(ValueError, match="copies that no scrub reaches; set freezing to False"),
    ):
        ProtectedModel(model, form)
    ProtectedModel(model, form)


@pytest.mark.parametrize("method", floats.METHODS)
def test_every_code_of_the_floats_computes(method):
    model, form = protected(method=method)
    served = ProtectedModel(model, form)
    served.attach()

    assert torch.equal(model(TOKENS), reference(form)(TOKENS))
    assert form.extra_bytes == form.placed.padding + floats.spare_bytes(form.floats.numel(), method) + 4 * (
        form.floats.numel() - sum(place.span.stop - place.span.start for place in (*form.scales, *form.bare))
    )
    served.detach()
