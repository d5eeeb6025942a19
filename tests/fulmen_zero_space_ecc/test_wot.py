"""The callback `wot` in Lightning: the promise holds whatever else the Trainer does."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    LearningRateFinder,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from wot_toys import LAYOUTS, MODES, ToyClassifier, ToyNet, digits, fit, outside, same_weights, trainer

from fulmen import UserError
from fulmen.errors import CheckpointError, FulmenError
from fulmen_zero_space_ecc.training import guards
from fulmen_zero_space_ecc.training.qat import QuantizationAwareTraining
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining
from fulmen_zero_space_ecc.weights.placement import placement


class AlwaysFeasible(Callback):
    """Checks the promise where others save, average and log: after every batch and in each validation."""

    def __init__(self, wot):
        self.wot, self.checks = wot, 0

    def _check(self, pl_module):
        if self.wot.state_dict()["frozen"] is not None:
            assert outside(pl_module, self.wot) == 0
            self.checks += 1

    def on_train_batch_end(self, trainer, pl_module, *_):
        self._check(pl_module)

    def on_validation_end(self, trainer, pl_module):
        self._check(pl_module)


@pytest.mark.parametrize("start_epoch", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_every_held_weight_ends_in_the_box(mode, layout, start_epoch):
    wot = WeightDistributionTraining(mode, layout, start_epoch)
    assert outside(fit([wot]), wot) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_it_the_promise_fails(layout):
    free_running = QuantizationAwareTraining(layout=layout, start_epoch=1)
    assert outside(fit([free_running]), free_running) > 0


def test_plain_training_breaks_the_promise_for_frozen_scales_too():
    wot = WeightDistributionTraining()
    model = fit([wot])
    wot_scales_kept = wot
    model.train()
    trainer([], max_epochs=1).fit(model, digits(0, 256))
    assert outside(model, wot_scales_kept) > 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 3},
        {"precision": "bf16-mixed"},
        {"precision": "bf16-true"},
        {"gradient_clip_val": 0.1},
        {"val_check_interval": 2},
        {"fast_dev_run": 2},
    ],
    ids=str,
)
def test_weights_are_feasible_after_every_batch(options):
    wot = WeightDistributionTraining(start_epoch=1)
    check = AlwaysFeasible(wot)
    # The check stands first: it sees the weights before wot's own on_train_batch_end.
    fit([check, wot], **options)
    assert check.checks > 1


def test_the_hook_acts_once_per_real_step_not_per_micro_batch(monkeypatch):
    calls = []
    monkeypatch.setattr(WeightDistributionTraining, "on_step", lambda *_: calls.append(1))
    monkeypatch.setattr(WeightDistributionTraining, "on_fit_end", lambda *_: None)
    fit([WeightDistributionTraining()], max_epochs=1, accumulate_grad_batches=2)
    assert len(calls) == 4  # 8 batches


def test_parameters_keep_names_and_shapes():
    before = {name: tensor.shape for name, tensor in ToyClassifier().state_dict().items()}
    after = fit([WeightDistributionTraining()]).state_dict()
    assert {name: tensor.shape for name, tensor in after.items()} == before


def test_nothing_stays_on_the_model_after_the_fit():
    model = fit([WeightDistributionTraining("hinge")])
    assert not any(m._forward_pre_hooks or m._forward_hooks or m._state_dict_hooks for m in model.modules())
    assert all(isinstance(m.weight, nn.Parameter) for m in model.modules() if hasattr(m, "weight"))


def test_folding_leaves_the_function_and_then_normalisation_is_the_identity():
    model = fit([QuantizationAwareTraining(start_epoch=1, activations=False)])
    for norm in (model.network.stem[1], model.network.norm):
        assert torch.equal(norm.running_mean, torch.zeros(12))
        assert torch.equal(norm.running_var, torch.ones(12))
        assert torch.allclose(norm.weight, torch.ones(12), atol=1e-4)
    assert model.network.stem[1].bias.abs().sum() > 0  # carries the bias that the convolution lacks
    assert torch.equal(model.network.norm.bias, torch.zeros(12))  # the depthwise convolution has one


class Losses(Callback):
    def __init__(self):
        self.validation = []

    def on_validation_end(self, trainer, pl_module):
        self.validation.append(float(trainer.callback_metrics["val_loss"]))


@pytest.mark.parametrize("mode", MODES)
def test_evaluation_after_the_fit_sees_the_weights_that_validation_saw(mode, tmp_path):
    wot, losses = WeightDistributionTraining(mode, start_epoch=1), Losses()
    pl_trainer = trainer([wot, losses], max_epochs=3)
    model = ToyClassifier()
    pl_trainer.fit(model, digits(0, 256), digits(256, 384))
    pl_trainer.save_checkpoint(tmp_path / "last.ckpt")

    (again,) = pl_trainer.validate(model, digits(256, 384), verbose=False)
    fresh = trainer([WeightDistributionTraining(mode, start_epoch=1)])
    (loaded,) = fresh.validate(ToyClassifier(), digits(256, 384), tmp_path / "last.ckpt", verbose=False)
    (plain,) = trainer([]).validate(model, digits(256, 384), verbose=False)

    assert again["val_loss"] == loaded["val_loss"] == losses.validation[-1]
    assert plain["val_loss"] != again["val_loss"]  # the float masters


def test_a_checkpoint_without_it_is_evaluated_as_it_is(tmp_path):
    plain_trainer = trainer([])
    plain_trainer.fit(ToyClassifier(), digits(0, 128))
    plain_trainer.save_checkpoint(tmp_path / "plain.ckpt")
    (expected,) = plain_trainer.validate(None, digits(256, 384), tmp_path / "plain.ckpt", verbose=False)

    used = trainer([WeightDistributionTraining()])
    model = ToyClassifier()
    used.fit(model, digits(0, 128))
    (found,) = used.validate(model, digits(256, 384), tmp_path / "plain.ckpt", verbose=False)

    assert found == expected


@pytest.mark.parametrize("mode", MODES)
def test_its_checkpoint_loads_in_plain_lightning_and_is_feasible(mode, tmp_path):
    wot = WeightDistributionTraining(mode)
    saver = ModelCheckpoint(tmp_path, every_n_train_steps=3, save_top_k=-1)
    weights_only = ModelCheckpoint(tmp_path / "weights", save_weights_only=True)
    fit([wot, saver, weights_only], max_epochs=1, enable_checkpointing=True)

    paths = sorted(tmp_path.rglob("*.ckpt"))
    assert len(paths) == 3
    for path in paths:
        torch.load(path, weights_only=True)
        model = ToyClassifier.load_from_checkpoint(path, map_location="cpu")  # strict
        assert outside(model, wot) == 0
        trainer([]).validate(model, digits(256, 384), verbose=False)


def one_batch_again_and_again():
    """A loader that begins anew in mid-epoch gives a resumed run the same batches all the same."""
    images, labels = digits(0, 64).dataset[:]
    return DataLoader(TensorDataset(images.repeat(8, 1, 1, 1), labels.repeat(8)), batch_size=64)


@pytest.mark.parametrize("save_at_step", [16, 19], ids=["epoch end", "mid-epoch"])
@pytest.mark.parametrize("mode", MODES)
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(mode, save_at_step, tmp_path):
    straight_wot = WeightDistributionTraining(mode, start_epoch=1)
    saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=save_at_step, save_top_k=-1)
    straight = ToyClassifier()
    trainer([straight_wot, saver], max_epochs=4, enable_checkpointing=True).fit(
        straight, one_batch_again_and_again()
    )

    wot, resumed = WeightDistributionTraining(mode, start_epoch=1), ToyClassifier()
    path = tmp_path / f"step={save_at_step}.ckpt"
    trainer([wot], max_epochs=4).fit(resumed, one_batch_again_and_again(), ckpt_path=path)

    saved = ToyClassifier.load_from_checkpoint(path)
    state = torch.load(path, weights_only=True)["callbacks"][wot.state_key]
    assert bool(state.get("outside")) == (
        mode != "throttle"
    )  # clamped in the checkpoint, put back by the run
    assert same_weights(straight, resumed)
    assert not same_weights(saved, resumed)
    assert wot.state_dict()["frozen"] == straight_wot.state_dict()["frozen"]
    assert outside(saved, wot) == outside(resumed, wot) == 0


def test_a_checkpoint_from_before_the_start_is_resumed_bit_for_bit(tmp_path):
    saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=8, save_top_k=-1)
    straight = ToyClassifier()
    wots = [WeightDistributionTraining(start_epoch=2) for _ in range(2)]
    trainer([wots[0], saver], max_epochs=4, enable_checkpointing=True).fit(
        straight, one_batch_again_and_again()
    )

    resumed = ToyClassifier()
    trainer([wots[1]], max_epochs=4).fit(
        resumed, one_batch_again_and_again(), ckpt_path=tmp_path / "step=8.ckpt"
    )

    assert same_weights(straight, resumed)


def test_averages_of_weights_keep_the_promise_whatever_the_order_of_callbacks(tmp_path):
    for place in (0, 1):
        wot = WeightDistributionTraining(start_epoch=1)
        callbacks = [wot]
        callbacks.insert(place, EMAWeightAveraging(decay=0.9))
        saver = ModelCheckpoint(tmp_path / str(place))
        model = fit([*callbacks, saver], max_epochs=3, precision="bf16-mixed", enable_checkpointing=True)
        assert outside(model, wot) == 0
        assert outside(ToyClassifier.load_from_checkpoint(saver.best_model_path), wot) == 0


def test_stochastic_weight_averaging_keeps_the_promise_and_the_identity():
    wot = WeightDistributionTraining(start_epoch=1)
    model = fit([wot, StochasticWeightAveraging(0.01, swa_epoch_start=3, annealing_epochs=1)], max_epochs=5)
    assert outside(model, wot) == 0
    assert torch.equal(model.network.norm.running_var, torch.ones(12))


def test_stochastic_weight_averaging_from_the_first_epoch_takes_folded_weights():
    wot = WeightDistributionTraining()
    averaging = StochasticWeightAveraging(0.01, swa_epoch_start=1, annealing_epochs=1)
    counts = []

    class CountWhenAveragesAreTaken(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            counts.append(outside(pl_module, wot))

    fit([averaging, wot, CountWhenAveragesAreTaken()], max_epochs=3)
    assert counts == [0, 0, 0, 0]  # three epochs, and the one in which the averages are put in place


def test_what_does_not_learn_has_no_part_in_gradient_clipping():
    class Look(Callback):
        gradients = []

        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            network = pl_module.network
            self.gradients.append(
                [p.grad.abs().sum() > 0 for p in (*network.norm.parameters(), network.head.bias)]
            )

    look = Look()
    fit([WeightDistributionTraining(), look], max_epochs=1)
    assert all(step == [False, False, True] for step in look.gradients)
    assert len(look.gradients) == 8


class TwoOptimizers(ToyClassifier):
    """Manual optimisation: one optimiser per half, one of them stepped twice."""

    def __init__(self, raw=False):
        super().__init__()
        self.automatic_optimization = False
        self.raw = raw

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers(use_pl_optimizer=not self.raw)
        for optimizer in (first, second, second):
            optimizer.zero_grad()
            self.manual_backward(F.cross_entropy(self.network(batch[0]), batch[1]))
            optimizer.step()

    def configure_optimizers(self):
        head = list(self.network.head.parameters())
        rest = [p for n, p in self.network.named_parameters() if not n.startswith("head")]
        return torch.optim.SGD(rest, 0.1), torch.optim.Adam(head, 0.01)


@pytest.mark.parametrize("raw", [False, True], ids=["Lightning's", "raw"])
@pytest.mark.parametrize("mode", MODES)
def test_manual_optimisation_with_several_optimisers(mode, raw):
    wot = WeightDistributionTraining(mode)
    assert outside(fit([wot], TwoOptimizers(raw)), wot) == 0


def two_layers():
    """No normalisation, whose change of mode would make torch compile again."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


@pytest.mark.parametrize(
    ("make", "in_place"),
    [
        pytest.param(ToyNet, False, id="ToyNet-torch.compile"),
        pytest.param(two_layers, True, id="two_layers-Module.compile"),
        pytest.param(ToyNet, True, marks=pytest.mark.long, id="ToyNet-Module.compile"),
        pytest.param(two_layers, False, marks=pytest.mark.long, id="two_layers-torch.compile"),
    ],
)
def test_a_compiled_network_is_quantised_and_held(make, in_place):
    network = make()
    eager = ToyClassifier(copy.deepcopy(network))
    if in_place:
        network.compile(backend="aot_eager")
    else:
        network = torch.compile(network, backend="aot_eager")
    network(torch.zeros(32, 1, 8, 8)).sum().backward()  # compiled before there are hooks
    network.zero_grad()
    compiled = ToyClassifier(network)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.reset_running_stats()
    wots = [WeightDistributionTraining(start_epoch=1) for _ in range(2)]

    fit([wots[0]], compiled)
    fit([wots[1]], eager)

    assert outside(compiled, wots[0]) == 0
    found, expected = (list(wot.state_dict()["frozen"]["activation_ranges"].values()) for wot in wots)
    assert found == pytest.approx(expected, rel=1e-3)
    for ours, theirs in zip(compiled.parameters(), eager.parameters(), strict=True):
        # Not bit for bit: another order of operations rounds some activations to another step.
        assert (ours - theirs).norm() < 0.05 * theirs.norm().clamp_min(0.1)


def test_a_frozen_part_is_held_and_an_ignored_part_is_untouched():
    class Distilled(ToyClassifier):
        def __init__(self):
            super().__init__()
            self.teacher = ToyNet().requires_grad_(False)
            self.network.stem.requires_grad_(False)

    wot = WeightDistributionTraining(ignore=["teacher"])
    model = Distilled()
    teacher = {name: tensor.clone() for name, tensor in model.teacher.state_dict().items()}
    fit([wot], model)

    assert outside(model, wot) == 0
    assert all(torch.equal(tensor, teacher[name]) for name, tensor in model.teacher.state_dict().items())


def test_a_part_in_eval_mode_is_observed_too():
    class FrozenStem(ToyClassifier):
        def on_train_batch_start(self, batch, batch_idx):
            self.network.stem.requires_grad_(False).eval()

    wot = WeightDistributionTraining(start_epoch=1)
    fit([wot], FrozenStem())
    ranges = wot.state_dict()["frozen"]["activation_ranges"]
    assert all(largest > 0 for largest in ranges.values())
    assert ranges["network.stem.0"] == 1  # images reach from 0 to 1


def test_momenta_of_unfolded_weights_are_forgotten_and_others_kept():
    class Look(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                state = trainer.optimizers[0].state
                self.folded = state[pl_module.network.depthwise.weight]["momentum_buffer"].clone()
                self.other = state[pl_module.network.head.weight]["momentum_buffer"].clone()

    look = Look()
    fit([WeightDistributionTraining(start_epoch=1), look])

    assert look.folded.abs().sum() == 0
    assert look.other.abs().sum() > 0


@pytest.mark.parametrize("start_epoch", [0, 1])
def test_a_learning_rate_finder_leaves_no_trace(start_epoch):
    weights = []
    for finder in ([], [LearningRateFinder(num_training_steps=5, update_attr=False)]):
        wot = WeightDistributionTraining(start_epoch=start_epoch)
        weights.append(fit([wot, *finder]))
        assert outside(weights[-1], wot) == 0
    assert same_weights(*weights)


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupted_run_leaves_a_feasible_checkpoint_and_goes_on_exactly(mode, tmp_path):
    class Interrupt(Callback):
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == 19:
                raise RuntimeError("stop here")

    wots = [WeightDistributionTraining(mode, start_epoch=1) for _ in range(3)]
    straight, resumed = ToyClassifier(), ToyClassifier()
    beginning = copy.deepcopy(straight)
    trainer([wots[0]], max_epochs=4).fit(straight, one_batch_again_and_again())

    saver = ModelCheckpoint(tmp_path, filename="stopped", save_on_exception=True, every_n_epochs=9)
    stopped = trainer([wots[1], saver, Interrupt()], max_epochs=4, enable_checkpointing=True)
    with pytest.raises(RuntimeError, match="stop here"):
        stopped.fit(beginning, one_batch_again_and_again())
    (path,) = tmp_path.glob("*.ckpt")
    trainer([wots[2]], max_epochs=4).fit(resumed, one_batch_again_and_again(), ckpt_path=path)

    assert outside(ToyClassifier.load_from_checkpoint(path), wots[1]) == 0
    assert same_weights(straight, resumed)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
@pytest.mark.parametrize("mode", MODES)
def test_on_a_gpu(mode, precision, tmp_path):
    wot = WeightDistributionTraining(mode, start_epoch=1)
    model = fit([wot], accelerator="gpu", devices=1, precision=precision)
    assert outside(model.cpu(), wot) == 0


def test_the_scales_stay_frozen():
    seen = []

    class Scales(Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            seen.append(wot.state_dict()["frozen"]["scales"])

    wot = WeightDistributionTraining()
    fit([wot, Scales()])
    assert all(scales == seen[0] for scales in seen)


def test_a_second_fit_of_the_same_model_keeps_its_scales_and_another_model_gets_its_own():
    wot = WeightDistributionTraining()
    model = fit([wot])
    first = wot.state_dict()["frozen"]["scales"]

    trainer([wot]).fit(model, digits(0, 256))
    second = wot.state_dict()["frozen"]["scales"]
    other = fit([wot], ToyClassifier(lr=0.05))
    third = wot.state_dict()["frozen"]["scales"]

    assert first == second
    assert all(first[name] != third[name] for name in first)
    assert outside(other, wot) == 0


def test_the_callback_can_be_pickled_for_spawned_processes():
    wot = WeightDistributionTraining()
    fit([wot])
    assert pickle.loads(pickle.dumps(wot)).state_dict() == wot.state_dict()  # noqa: S301


def test_large_weights_are_logged(tmp_path):
    from lightning.pytorch.loggers import CSVLogger

    fit([WeightDistributionTraining()], logger=CSVLogger(tmp_path), log_every_n_steps=1)
    header, *rows = next(tmp_path.rglob("metrics.csv")).read_text().splitlines()
    columns = header.split(",")
    for tag in ("large_weights", "large_fraction", "scale/network.head.weight"):
        assert any(row.split(",")[columns.index(f"fulmen/zero_space_ecc/{tag}")] for row in rows)


# What is refused, and how.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "clamp"}, "mode is 'clamp'; one of throttle, hinge, admm"),
        ({"layout": "planes"}, "layout is 'planes'; one of interleaved, paper"),
        ({"start_epoch": -1}, "start_epoch is -1; 0 or more"),
        ({"hinge_strength": 0.0}, "hinge_strength is 0.0; above 0 and at most 1"),
        ({"scales": "row"}, "scales is 'row'; one of layer, channel"),
        ({"admm_rho": 0.0}, "admm_rho is 0.0; a number above 0"),
        (
            {"remove_outward_velocity": True, "mode": "hinge"},
            "remove_outward_velocity needs mode throttle, mode is hinge",
        ),
        ({"activation_decay": 1.0}, "activation_decay is 1.0; at least 0 and below 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        WeightDistributionTraining(**options)


class Recurrent(ToyClassifier):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(3, 3)


class Zero(ToyClassifier):
    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.network.head.weight)


class NotFinite(ToyClassifier):
    def __init__(self):
        super().__init__()
        self.network.head.weight.data[0, 0] = torch.nan


@pytest.mark.parametrize(
    ("model", "callbacks", "message"),
    [
        (Recurrent, [WeightDistributionTraining()], r"layer 'memory' \(LSTM\)"),
        (Zero, [WeightDistributionTraining()], r"network.head.weight: all weights are 0.*start_epoch"),
        (NotFinite, [WeightDistributionTraining()], r"network.head.weight: some weights are not finite"),
        (ToyClassifier, [WeightDistributionTraining(start_epoch=2)], "start_epoch is 2"),
        (ToyClassifier, [WeightDistributionTraining("hinge"), EMAWeightAveraging()], "EMAWeightAveraging"),
        (
            ToyClassifier,
            [WeightDistributionTraining(start_epoch=1), StochasticWeightAveraging(0.1, 1)],
            r"StochasticWeightAveraging averages from epoch 0 on.*epoch 1",
        ),
        (ToyClassifier, [WeightDistributionTraining(ignore=["netwrk"])], r"ignore: .*'netwrk'"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_by_name(model, callbacks, message):
    with pytest.raises(UserError, match=message):
        fit(callbacks, model())


def test_sharding_strategies_are_refused(monkeypatch):
    from lightning.pytorch.strategies import FSDPStrategy

    class Pretend:
        strategy = FSDPStrategy.__new__(FSDPStrategy)

    with pytest.raises(UserError, match=r"strategy FSDPStrategy keeps only pieces.*ddp"):
        WeightDistributionTraining().setup(Pretend(), None, "fit")


def test_processes_that_hold_other_layers_or_weights_are_refused():
    class SecondProcess:
        """Rank zero, whose objects `broadcast` gives, has others."""

        def broadcast(self, mine):
            return "another"

        def reduce_boolean_decision(self, decision, all):
            assert all
            return decision

    class Pretend:
        strategy = SecondProcess()

    wot = WeightDistributionTraining()
    model = fit([wot])
    quantized = QuantizedModel(
        model, placement(model), activations=True, activation_decay=0.9, device=torch.device("cpu")
    )
    quantized.load_state_dict(wot.state_dict()["frozen"])
    with pytest.raises(UserError, match="SecondProcess hold different layers"):
        guards.refuse_unequal_models(Pretend(), quantized.placement)
    with pytest.raises(FulmenError, match="ended with different 8-bit weights"):
        guards.check_equal(Pretend(), quantized)


def test_a_checkpoint_of_another_layout_or_model_is_refused(tmp_path):
    pl_trainer = trainer([WeightDistributionTraining(layout="paper")])
    pl_trainer.fit(ToyClassifier(), digits(0, 64))
    pl_trainer.save_checkpoint(tmp_path / "paper.ckpt")

    with pytest.raises(CheckpointError, match="trained with layout: paper, this run has layout: interleaved"):
        fit([WeightDistributionTraining()], max_epochs=3, ckpt_path=tmp_path / "paper.ckpt")
    other = WeightDistributionTraining(layout="paper")
    other.load_state_dict(torch.load(tmp_path / "paper.ckpt")["callbacks"][other.state_key])
    with pytest.raises(CheckpointError, match=r"of another model.*network.1.weight"):
        fit([other], ToyClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))))


def test_weights_changed_behind_its_back_fail_the_check_at_the_end():
    class Meddler(Callback):
        def on_train_end(self, trainer, pl_module):
            pl_module.network.stem[0].weight.data[0] *= 1000

    with pytest.raises(FulmenError, match=r"9 held weights.*network.stem.0.weight: 9") as caught:
        fit([WeightDistributionTraining(layout="interleaved"), Meddler()])
    assert caught.value.exit_status == 1


def test_training_that_stops_before_the_start_is_an_error():
    with pytest.raises(FulmenError, match="before start_epoch 5: no weight is held"):
        fit([WeightDistributionTraining(start_epoch=5)], max_epochs=10, max_steps=3)


def test_untrained_normalisation_is_warned_of():
    with pytest.warns(UserWarning, match=r"network.stem.1, network.norm.*unlearned; set start_epoch"):
        fit([WeightDistributionTraining()])
