"""The callback `zero_space_ecc`, on real digits: saved protected, loaded by everyone, scrubbed in use."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from protected_toys import same_bytes

import fulmen
from fulmen import Runner
from fulmen.errors import CheckpointError, FulmenError, UserError
from fulmen_vision import Digits, ImageClassifier, SmallCNN
from fulmen_zero_space_ecc import (
    WeightDistributionTraining,
    ZeroSpaceProtection,
    load_from_checkpoint,
    read_form,
)
from fulmen_zero_space_ecc.weights.saved_state import STATE_KEY

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def classifier(width: int = 12) -> ImageClassifier:
    return ImageClassifier(
        SmallCNN(width=width), num_classes=10, optimizer=partial(torch.optim.Adam, lr=0.01)
    )


def digits() -> Digits:
    return Digits(limit_train=512)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a fit's checkpoint and its protected files."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    callbacks = [WeightDistributionTraining(start_epoch=4), ZeroSpaceProtection()]
    Trainer(max_epochs=6, default_root_dir=folder, callbacks=callbacks, **QUIET).fit(classifier(), digits())
    return folder / "checkpoints"


def checkpoint(folder: Path) -> Path:
    (path,) = folder.glob("epoch*.ckpt")
    return path


def outcome(
    path: Path, *callbacks: Callback, verb: str = "test", trainer: type[Trainer] = Runner
) -> dict[str, float]:
    run = trainer(callbacks=list(callbacks), default_root_dir=path.parent, **QUIET)
    (metrics,) = getattr(run, verb)(
        classifier(), digits(), ckpt_path=str(path), weights_only=True, verbose=False
    )
    return dict(metrics)


class Flip(Callback):
    """Flips bits of the protected bytes before a batch, as memory would."""

    def __init__(self, protection: ZeroSpaceProtection, bits: list[int]) -> None:
        self.protection, self.bits = protection, bits

    def on_test_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if batch_idx == 1:
            payload = self.protection.protected.form.payload.numpy().view(np.uint8)
            for bit in self.bits:
                payload[bit // 8] ^= 1 << bit % 8


def test_a_fit_saves_a_protected_checkpoint_and_a_side_car(trained):
    saved = torch.load(trained / "protected.ckpt", weights_only=True)

    assert set(saved["state_dict"]) == {
        f"zero_space_ecc.{key}" for key in ("header", "payload", "floats", "spare")
    }
    assert STATE_KEY in saved["callbacks"]
    form = read_form(trained / "protected.zsecc")
    weights = form.placed.numel
    assert saved["state_dict"]["zero_space_ecc.payload"].nbytes == weights + form.placed.padding
    assert form.extra_bytes <= 63 + 4
    assert (trained / "protected.ckpt").stat().st_size < 2 * weights + 20_000  # 4 a weight in float


@pytest.mark.parametrize("verb", ["validate", "test"])
@pytest.mark.parametrize("mode", ["decode_on_use", "shadow"])
def test_protected_it_computes_what_wot_computes(trained, verb, mode):
    plain = outcome(checkpoint(trained), WeightDistributionTraining(), verb=verb)
    served = outcome(checkpoint(trained), WeightDistributionTraining(), ZeroSpaceProtection(mode), verb=verb)

    # Biases differ by 2 parts in a million: their last bits are check bits.
    assert served == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("trainer", [Runner, Trainer])
def test_a_protected_checkpoint_is_loaded_by_fulmen_and_by_lightning(trained, trainer):
    from_float = outcome(checkpoint(trained), ZeroSpaceProtection())
    from_protected = outcome(trained / "protected.ckpt", ZeroSpaceProtection(), trainer=trainer)

    assert from_protected == pytest.approx(from_float, abs=1e-5)


def test_without_the_callback_runner_loads_it_too(trained):
    assert outcome(trained / "protected.ckpt", WeightDistributionTraining())["test_acc"] > 0.5


def test_predict(trained):
    run = Runner(callbacks=[ZeroSpaceProtection()], **QUIET)
    predicted = run.predict(classifier(), digits(), ckpt_path=trained / "protected.ckpt")

    assert sum(len(batch) for batch in predicted) > 0


def held_fit(folder: Path, model: ImageClassifier, *callbacks: Callback, **options) -> ImageClassifier:
    """A short fit that ends in protected files in ``folder``."""
    protection = ZeroSpaceProtection(path=str(folder / "protected.ckpt"))
    callbacks = [WeightDistributionTraining(start_epoch=1), protection, *callbacks]
    trainer = Trainer(max_epochs=2, default_root_dir=folder, callbacks=callbacks, **QUIET, **options)
    trainer.fit(model, digits())
    return model


def test_what_is_protected_is_the_average_that_the_fit_ends_with(tmp_path):
    model = held_fit(tmp_path, classifier(), EMAWeightAveraging(decay=0.9), precision="bf16-mixed")

    stored = fulmen.load_checkpoint(tmp_path / "protected.ckpt")["state_dict"]

    form = read_form(tmp_path / "protected.zsecc")
    for segment in form.placed.segments:
        steps = model.get_parameter(segment.name) / form.scale(segment.name)
        assert torch.equal(steps.round() * form.scale(segment.name), stored[segment.name])
        assert not torch.equal(stored[segment.name], torch.zeros_like(stored[segment.name]))


def test_a_compiled_network_computes_from_the_mended_bytes(trained):
    plain = outcome(trained / "protected.ckpt", WeightDistributionTraining(), ZeroSpaceProtection())
    model = classifier()
    model.network.compile(backend="aot_eager")
    protection = ZeroSpaceProtection()
    callbacks = [WeightDistributionTraining(), Flip(protection, [3]), protection]

    (served,) = Runner(callbacks=callbacks, **QUIET).test(
        model, digits(), ckpt_path=trained / "protected.ckpt", verbose=False
    )

    assert protection.found.corrected == 1
    assert served == pytest.approx(plain, abs=1e-5)


def test_load_from_checkpoint(trained):
    model = load_from_checkpoint(
        ImageClassifier, trained / "protected.ckpt", network=SmallCNN(width=12), num_classes=10
    )

    expected = read_form(trained / "protected.zsecc").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_bit_rot_in_the_checkpoint_is_corrected_and_told(trained, tmp_path):
    saved = torch.load(trained / "protected.ckpt", weights_only=True)
    clean = fulmen.load_checkpoint(trained / "protected.ckpt")["state_dict"]
    saved["state_dict"]["zero_space_ecc.payload"][100] ^= 1
    torch.save(saved, tmp_path / "rotten.ckpt")

    with pytest.warns(UserWarning, match="1 wrong bits of the file were corrected"):
        loaded = fulmen.load_checkpoint(tmp_path / "rotten.ckpt")["state_dict"]

    assert all(torch.equal(loaded[name], tensor) for name, tensor in clean.items())


def test_the_scrubber_mends_between_batches_and_tells(trained):
    protection = ZeroSpaceProtection()
    clean = outcome(trained / "protected.ckpt", ZeroSpaceProtection())

    with pytest.warns(UserWarning, match="3 wrong bits corrected, 0 blocks"):
        mended = outcome(trained / "protected.ckpt", Flip(protection, [7, 807, 1607]), protection)

    assert mended == clean
    assert protection.found.corrected == 3


def test_without_a_scrub_faults_are_computed_with(trained):
    form = read_form(trained / "protected.zsecc")
    signs = [8 * byte + 7 for byte in range(0, form.placed.numel, 3)]
    protection = ZeroSpaceProtection(every_n_batches=100)
    clean = outcome(trained / "protected.ckpt", ZeroSpaceProtection())

    faulty = outcome(trained / "protected.ckpt", protection, Flip(protection, signs))

    assert faulty["test_acc"] < clean["test_acc"] - 0.2


@pytest.mark.parametrize("policy", ["leave", "mmse", "golden", "zero", "raise"])
def test_policies(trained, policy):
    golden = str(trained / "protected.zsecc") if policy == "golden" else None
    protection = ZeroSpaceProtection(policy=policy, golden=golden)
    plane = read_form(trained / "protected.zsecc").placed.size // 8
    two_in_one_block = [7, 8 * plane + 7]
    run = (trained / "protected.ckpt", Flip(protection, two_in_one_block), protection)
    if policy == "raise":
        with pytest.raises(
            FulmenError, match=r"1 blocks of weights .* two wrong bits. The policy is 'raise'"
        ):
            outcome(*run)
        return
    with pytest.warns(UserWarning, match=r"0 wrong bits corrected, \d+ blocks with two"):
        result = outcome(*run)
    if policy == "golden":
        assert result == outcome(trained / "protected.ckpt", ZeroSpaceProtection())


def test_a_time_sets_the_scrubs_too(trained):
    protection = ZeroSpaceProtection(every_n_batches=0, every_seconds=1e-6)

    with pytest.warns(UserWarning, match="1 wrong bits corrected"):
        outcome(trained / "protected.ckpt", Flip(protection, [7]), protection)


def test_the_model_is_left_as_it_was(trained):
    model = classifier()
    run = Trainer(callbacks=[ZeroSpaceProtection()], **QUIET)
    run.test(model, digits(), ckpt_path=trained / "protected.ckpt", weights_only=True, verbose=False)

    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert len(list(model.parameters())) == len(list(classifier().parameters()))
    assert not any(module._forward_hooks for module in model.modules())
    out = model(torch.zeros(1, 1, 8, 8))
    assert torch.isfinite(out).all()


def test_it_protects_alike_whatever_it_is_loaded_from(trained):
    """From float weights or from protected ones: the same bytes."""
    forms = []
    for path in (checkpoint(trained), trained / "protected.ckpt"):
        protection = ZeroSpaceProtection()

        class Keep(Callback):
            def on_test_start(self, trainer, pl_module, protection=protection):
                forms.append(protection.protected.form)

        outcome(path, protection, Keep())

    assert same_bytes(*forms)
    assert same_bytes(forms[0], read_form(trained / "protected.zsecc"))


BAD_OPTIONS = {
    "mode": ({"mode": "fast"}, "mode is 'fast'"),
    "policy": ({"policy": "hope"}, "policy is 'hope'"),
    "floats": ({"floats": "none"}, "floats is 'none'"),
    "every_n_batches": ({"every_n_batches": -1}, "every_n_batches is -1"),
    "every_seconds": ({"every_seconds": 0}, "every_seconds is 0"),
    "no scrub at all": ({"every_n_batches": 0}, "nothing says when to scrub"),
    "threads": ({"threads": 0}, "threads is 0"),
    "a copy that nothing reads": ({"golden": "a.zsecc"}, "golden is read by policy: golden alone"),
    "golden without a file": ({"policy": "golden"}, "set golden to the side-car file"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_an_option_out_of_range_is_refused(name):
    options, message = BAD_OPTIONS[name]
    with pytest.raises(UserError, match=message) as refused:
        ZeroSpaceProtection(**options)
    assert str(refused.value).startswith("zero_space_ecc: ")


def test_a_model_that_nobody_held_is_refused_with_its_layers(tmp_path):
    run = Trainer(max_epochs=1, default_root_dir=tmp_path, **QUIET)
    run.fit(classifier(), digits())
    (path,) = tmp_path.glob("checkpoints/*.ckpt")

    with pytest.raises(
        UserError, match=r"held weights lie outside \[-64, 63\] \(network.*Train with the callback wot"
    ):
        outcome(path, ZeroSpaceProtection())


def test_a_fit_without_wot_says_at_its_start_that_nothing_will_be_protected(tmp_path):
    run = Trainer(max_epochs=1, callbacks=[ZeroSpaceProtection()], default_root_dir=tmp_path, **QUIET)

    with pytest.warns(UserWarning, match="there is no callback wot"):
        run.fit(classifier(), digits())

    assert not list(tmp_path.rglob("protected*"))


def test_a_golden_file_that_is_none_is_refused(trained, tmp_path):
    (tmp_path / "golden.zsecc").write_text("hello")
    for golden, message in ((tmp_path / "golden.zsecc", "no header"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(CheckpointError, match=message):
            outcome(trained / "protected.ckpt", ZeroSpaceProtection(policy="golden", golden=str(golden)))


def test_a_golden_file_of_another_model_is_refused(trained, tmp_path):
    other = tmp_path / "other"
    torch.manual_seed(0)
    callbacks = [WeightDistributionTraining(), ZeroSpaceProtection()]
    model = classifier(width=4)
    Trainer(max_epochs=1, default_root_dir=other, callbacks=callbacks, **QUIET).fit(model, digits())
    golden = str(other / "checkpoints" / "protected.zsecc")

    with pytest.raises(UserError, match="is of another model or layout"):
        outcome(trained / "protected.ckpt", ZeroSpaceProtection(policy="golden", golden=golden))


def test_a_truncated_payload_is_refused(trained, tmp_path):
    saved = torch.load(trained / "protected.ckpt", weights_only=True)
    key = "zero_space_ecc.payload"
    saved["state_dict"][key] = saved["state_dict"][key][:-64].clone()
    torch.save(saved, tmp_path / "short.ckpt")

    with pytest.raises(CheckpointError, match=r"short\.ckpt: zero_space_ecc\.payload: .* cut short"):
        outcome(tmp_path / "short.ckpt", ZeroSpaceProtection())


def test_a_checkpoint_of_another_model_is_refused(trained):
    run = Runner(callbacks=[ZeroSpaceProtection()], **QUIET)
    with pytest.raises(CheckpointError, match="of another model"):
        run.test(classifier(width=4), digits(), ckpt_path=trained / "protected.ckpt")


class TestCommands:
    def test_verify_and_repair(self, trained, tmp_path, fulmen_run):
        whole = (trained / "protected.zsecc").read_bytes()
        file = tmp_path / "a.zsecc"
        file.write_bytes(whole)
        assert fulmen_run("zero_space_ecc", "verify", "a.zsecc").status == 0

        rotten = bytearray(whole)
        rotten[len(whole) // 2] ^= 4
        file.write_bytes(rotten)
        found = fulmen_run("zero_space_ecc", "verify", "a.zsecc")
        assert found.status == 1
        assert "wrong: 1 single wrong bit; " in found.stdout
        assert file.read_bytes() == rotten  # looked at, not touched

        mended = fulmen_run("zero_space_ecc", "repair", "a.zsecc")
        assert mended.status == 0
        assert file.read_bytes() == whole

    def test_two_wrong_bits_are_left_unless_there_is_a_copy(self, trained, tmp_path, fulmen_run):
        whole = (trained / "protected.zsecc").read_bytes()
        form = read_form(trained / "protected.zsecc")
        start = whole.index(form.payload.numpy().tobytes())
        rotten = bytearray(whole)
        rotten[start] ^= 3
        (tmp_path / "a.zsecc").write_bytes(rotten)
        (tmp_path / "b.zsecc").write_bytes(whole)

        left = fulmen_run("zero_space_ecc", "repair", "a.zsecc")
        assert left.status == 1
        assert "1 block with two wrong bits; the latter are left as they are" in left.stdout
        found = fulmen_run("zero_space_ecc", "verify", "a.zsecc")
        assert "--policy golden --golden COPY` mends all" in found.stdout
        refused = fulmen_run("zero_space_ecc", "repair", "a.zsecc", "--policy=raise")
        assert refused.status == 1
        assert "The policy is 'raise': it was left as it is" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert (tmp_path / "a.zsecc").read_bytes() == rotten
        again = fulmen_run("zero_space_ecc", "repair", "a.zsecc", "--policy=golden", "--golden=b.zsecc")
        assert again.status == 0
        assert (tmp_path / "a.zsecc").read_bytes() == whole

    def test_selftest_repairs_all_and_torch_none(self, trained, tmp_path, fulmen_run):
        whole = (trained / "protected.zsecc").read_bytes()
        (tmp_path / "a.zsecc").write_bytes(whole)

        ran = fulmen_run("zero_space_ecc", "selftest", "a.zsecc", "--flips=50")

        assert ran.status == 0
        assert "silently wrong: 50 of 50" in ran.stdout
        assert "repaired:       50 of 50" in ran.stdout
        assert (tmp_path / "a.zsecc").read_bytes() == whole

    @pytest.mark.parametrize("form", ["float", "int8"])
    def test_export(self, trained, tmp_path, fulmen_run, form):
        (tmp_path / "a.zsecc").write_bytes((trained / "protected.zsecc").read_bytes())
        ran = fulmen_run("zero_space_ecc", "export", "a.zsecc", "out.pt", f"--form={form}")
        assert ran.status == 0, ran.stderr
        state = torch.load(tmp_path / "out.pt", weights_only=True)["state_dict"]
        weight = state["network.head.weight"]
        assert weight.dtype == (torch.float32 if form == "float" else torch.int8)
        if form == "float":
            classifier().load_state_dict(state)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["verify", "none.zsecc"], "none.zsecc: cannot be read"),
            (["verify", "text"], "text: no header of a protected form"),
            (["repair", "text", "--policy=golden"], "give the side-car that it reads from"),
            (["repair", "text", "--policy=hope"], "policy"),
            (["export", "text", "out"], "text: no header"),
            (["selftest", "text", "--flips=0"], "flips is 0"),
        ],
    )
    def test_what_cannot_be_done_is_said_in_a_line(self, arguments, message, tmp_path, fulmen_run):
        (tmp_path / "text").write_text("hello")
        ran = fulmen_run("zero_space_ecc", *arguments)

        assert ran.status == 2
        (line,) = ran.stderr.splitlines()
        assert message in line
