"""The analyzer `weight_distribution`: its counts against counting by hand, and what it says of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from wot_toys import LAYOUTS, ToyClassifier, ToyNet, digits, trainer
from wot_toys import outside as outside_box

import fulmen
from fulmen import UserError
from fulmen.errors import CheckpointError
from fulmen_zero_space_ecc.protected.file import read_form
from fulmen_zero_space_ecc.training.weight_distribution import WeightDistribution
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining
from fulmen_zero_space_ecc.weights.distribution import BINS, distribution, folded_copy, in_bin, outside
from fulmen_zero_space_ecc.weights.placement import placement


def analyze(model, checkpoint=None, runner=None, folder=None, **options):
    context = fulmen.AnalysisContext(
        model=model,
        datamodule=None,
        runner=runner,
        run_dir=folder or Path(),
        seed=0,
        device=torch.device("cpu"),
        checkpoint=checkpoint,
        mapper=None,
    )
    return WeightDistribution(**options).analyze(context)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Checkpoints of the same toy: after one plain epoch, and after `wot` in each layout."""
    folder = tmp_path_factory.mktemp("checkpoints")
    plain = trainer([], max_epochs=1)
    plain.fit(ToyClassifier(), digits(0, 256))
    plain.save_checkpoint(folder / "plain.ckpt")
    for layout in LAYOUTS:
        running = trainer([WeightDistributionTraining(layout=layout)], max_epochs=2)
        running.fit(ToyClassifier.load_from_checkpoint(folder / "plain.ckpt"), digits(0, 256))
        running.save_checkpoint(folder / f"{layout}.ckpt")
    return folder


def loaded(path):
    return ToyClassifier.load_from_checkpoint(path), torch.load(path, weights_only=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_agree_with_counting_by_hand(layout):
    model = nn.Sequential(nn.Linear(3, 1), nn.Linear(13, 17), nn.Embedding(5, 7))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) ** 3
    placed = placement(model, layout)

    for layer, segment in zip(distribution(model, placed), placed.segments, strict=True):
        weight = model.get_parameter(segment.name).detach().double().numpy()
        integers = np.round(weight / np.abs(weight).max() * 127).astype(int)
        held = segment.held_mask().numpy()
        for counts, chosen in ((layer.held, integers[held]), (layer.free, integers[~held])):
            assert counts.tolist() == [(chosen == value).sum() for value in range(-128, 128)]
            size = np.abs(chosen)
            expected = [(size < 32).sum(), ((size >= 32) & (size < 64)).sum(), (size >= 64).sum()]
            assert [in_bin(counts, name) for name in BINS] == expected
            assert outside(counts) == ((chosen < -64) | (chosen > 63)).sum()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_of_wot_is_ready_and_the_one_before_was_not(checkpoints, layout):
    report = analyze(*loaded(checkpoints / f"{layout}.ckpt"), before=str(checkpoints / "plain.ckpt"))

    assert report.scalars["ready"] == 1
    assert report.scalars["held_outside"] == 0
    assert report.scalars["before/held_outside"] > 0
    assert report.findings[0].startswith("Ready for in-place protection: all ")
    assert any("those that wot froze" in finding for finding in report.findings)
    assert any(f"Layout {layout}" in finding for finding in report.findings)


def test_a_plain_model_is_not_ready_and_is_told_why(checkpoints):
    model, checkpoint = loaded(checkpoints / "plain.ckpt")

    report = analyze(model, checkpoint)

    wrong = int(report.scalars["held_outside"])
    assert wrong > 0
    assert report.scalars["ready"] == 0
    assert report.title == "Weight distribution: not ready for in-place protection"
    assert report.findings[0].startswith(f"Not ready: {wrong:,} of ")
    assert "2 batch normalisations folded first" in report.findings[-1]


def test_the_frozen_scales_matter_a_model_of_wot_without_them_is_not_ready(checkpoints):
    """The trap of the live scale: the largest weight of a held layer would be put on 127 again."""
    model, checkpoint = loaded(checkpoints / "interleaved.ckpt")
    del checkpoint["callbacks"]
    assert analyze(model, checkpoint).scalars["ready"] == 0


def test_another_layout_than_it_was_trained_for_can_be_asked_about(checkpoints):
    report = analyze(*loaded(checkpoints / "paper.ckpt"), layout="interleaved")
    assert any("Layout interleaved" in finding for finding in report.findings)
    assert report.scalars["held_outside"] > 0


def test_tables_scalars_and_arrays_tell_one_story(checkpoints):
    report = analyze(*loaded(checkpoints / "interleaved.ckpt"), before=str(checkpoints / "plain.ckpt"))
    layers, places = report.tables["layers"], report.tables["places"]

    assert list(places.columns) == ["when", "place", "weights", *BINS, "outside"]
    assert (places[list(BINS)].sum(axis=1) == places["weights"]).all()
    summed = layers.groupby(["when", "place"])[["weights", *BINS, "outside"]].sum()
    assert summed.equals(places.set_index(["when", "place"]).sort_index())
    placed = placement(ToyClassifier())
    assert (
        report.scalars["weights"] == placed.numel == report.arrays["held"].sum() + report.arrays["free"].sum()
    )
    assert report.scalars["held"] == placed.num_held
    assert report.scalars["padding_bytes"] == placed.padding
    assert set(layers["layer"]) == {"network.stem.0", "network.depthwise", "network.head"}


def test_the_report_is_whole_and_the_same_twice(checkpoints, tmp_path):
    first, second = (analyze(*loaded(checkpoints / "interleaved.ckpt")) for _ in range(2))
    first.save(tmp_path / "report")

    assert first == second == fulmen.Report.load(tmp_path / "report")
    assert {path.stem for path in (tmp_path / "report/figures").iterdir()} == {"histogram", "layers"}


def test_the_model_and_the_random_state_are_left_alone(checkpoints):
    model, checkpoint = loaded(checkpoints / "plain.ckpt")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()

    analyze(model, checkpoint, before=str(checkpoints / "paper.ckpt"))

    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_folding_a_copy_changes_no_output():
    model = ToyNet()
    model(torch.rand(64, 1, 8, 8))  # batch normalisation learns statistics
    images = torch.rand(4, 1, 8, 8)

    folded, count = folded_copy(model.eval())

    assert count == 2
    assert torch.allclose(folded(images), model(images), atol=1e-6)
    assert not torch.equal(folded.depthwise.weight, model.depthwise.weight)


def test_a_model_that_the_same_runner_has_just_trained_keeps_its_scales():
    wot = WeightDistributionTraining(layout="paper")
    running = trainer([wot])
    model = ToyClassifier()
    running.fit(model, digits(0, 256))

    assert analyze(model, runner=running).scalars["ready"] == 1
    assert analyze(ToyClassifier(), runner=running).scalars["ready"] == 0


def test_a_layer_of_zeros_is_counted_at_zero():
    model = ToyClassifier()
    nn.init.zeros_(model.network.head.weight)
    report = analyze(model)
    head = report.tables["layers"].query("layer == 'network.head'")
    assert (head["weights"] == head["[0, 32)"]).all()


class Recurrent(ToyClassifier):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(3, 3)


def test_what_it_cannot_examine_is_refused_by_name(checkpoints):
    with pytest.raises(UserError, match="weight_distribution: no model to examine; set model and ckpt_path"):
        analyze(None)
    with pytest.raises(UserError, match="weight_distribution: layout is 'planes'; one of interleaved, paper"):
        WeightDistribution(layout="planes")
    with pytest.raises(UserError, match=r"weight_distribution: layer 'memory' \(LSTM\)"):
        analyze(Recurrent())
    assert analyze(Recurrent(), ignore=["memory"]).scalars["weights"] == placement(ToyClassifier()).numel
    other = ToyClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    with pytest.raises(CheckpointError, match=r"plain.ckpt: before is a checkpoint of another model"):
        analyze(other, before=str(checkpoints / "plain.ckpt"))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        analyze(ToyClassifier(), before=str(checkpoints / "none.ckpt"))
    broken = ToyClassifier()
    broken.network.head.weight.data[0, 0] = torch.nan
    with pytest.raises(UserError, match=r"network.head.weight: some weights are not finite"):
        analyze(broken)


def test_the_shipped_configs_run_and_find_the_model_ready(run_fulmen, repository, tmp_path):
    configs = repository / "configs/zero_space_ecc"
    limits = ["--trainer.limit_train_batches=4", "--trainer.limit_val_batches=1"]

    trained = run_fulmen("fit", "--config", configs / "digits.yaml", *limits)
    assert trained.status == 0, trained.stderr
    examined = run_fulmen("analyze", "--config", configs / "digits_weights.yaml", "--run", "report")
    assert examined.status == 0, examined.stderr

    report = json.loads((tmp_path / "report/report/report.json").read_text())
    assert report["scalars"]["ready"] == 1
    assert report["scalars"]["before/held_outside"] > 0

    searched = run_fulmen("analyze", "--config", configs / "digits_data_free.yaml", "--run", "data_free")
    assert searched.status == 0, searched.stderr
    scalars = json.loads((tmp_path / "data_free/report/report.json").read_text())["scalars"]
    assert scalars["sqnr/box_channel"] > scalars["sqnr/box_layer"] > scalars["sqnr/clip_layer"]
    in_8_bits = ["--trainer.callbacks=wot", "--trainer.callbacks.scales=channel"]
    tested = run_fulmen(
        *("test", "--config", repository / "configs/vision/digits.yaml", *in_8_bits),
        *("--ckpt_path", tmp_path / "data_free/data_free.ckpt", "--trainer.logger=false"),
    )
    assert tested.status == 0, tested.stderr
    assert "test_acc" in tested.stdout
    protect = ["--trainer.callbacks+=zero_space_ecc", "--trainer.callbacks.save_in_use=true"]
    protected = run_fulmen(
        *("test", "--config", repository / "configs/vision/digits.yaml", *in_8_bits, *protect),
        *(f"--trainer.callbacks.path={tmp_path}/protected.ckpt", "--trainer.logger=false"),
        *("--ckpt_path", tmp_path / "data_free/data_free.ckpt"),
    )
    assert protected.status == 0, protected.stderr
    assert read_form(tmp_path / "protected.zsecc").placed.numel == scalars["weights"]


# Data-free.

WAYS = ["int8 layer", "int8 channel", "clip layer", "box layer", "box channel"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_data_free_compares_the_ways_and_leaves_a_checkpoint_that_is_tested_in_8_bits(
    checkpoints, layout, tmp_path
):
    model, checkpoint = loaded(checkpoints / "plain.ckpt")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    report = analyze(model, checkpoint, folder=tmp_path, layout=layout, data_free=True)

    table = report.tables["data_free"]
    assert list(table.columns) == ["layer", *WAYS]
    assert table["layer"].tolist() == ["network.stem.0", "network.depthwise", "network.head"]
    assert report.scalars["sqnr/box_channel"] == pytest.approx(table["box channel"].mean())
    assert report.scalars["sqnr/int8_channel"] > report.scalars["sqnr/box_channel"] > 25
    assert "Data-free: with the best scale of each channel" in report.findings[-1]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())

    # Lightning and wot read what it wrote; its weights lie in the box and on the grid.
    wot = WeightDistributionTraining(layout=layout, scales="channel")
    prepared = ToyClassifier.load_from_checkpoint(tmp_path / "data_free.ckpt")
    (found,) = trainer([wot]).test(
        ToyClassifier(), digits(256, 384), tmp_path / "data_free.ckpt", verbose=False
    )
    assert outside_box(prepared, wot) == 0
    (float_test,) = trainer([]).test(
        ToyClassifier(), digits(256, 384), checkpoints / "plain.ckpt", verbose=False
    )
    assert abs(found["test_loss"] - float_test["test_loss"]) < 0.1
    assert found["test_loss"] != float_test["test_loss"]
    again = analyze(*loaded(tmp_path / "data_free.ckpt"))
    assert again.scalars["ready"] == 1
    assert analyze(model, checkpoint, layout=layout).scalars["ready"] == 0


def test_data_free_needs_weights(tmp_path):
    model = ToyClassifier()
    for parameter in model.parameters():
        parameter.data.zero_()
    with pytest.raises(UserError, match="data_free: all weights are 0; load a trained model"):
        analyze(model, folder=tmp_path, data_free=True)
    assert not any(tmp_path.iterdir())


def test_data_free_keeps_what_was_ignored(checkpoints, tmp_path):
    model, checkpoint = loaded(checkpoints / "plain.ckpt")
    analyze(model, checkpoint, folder=tmp_path, data_free=True, ignore=["network.head"])
    saved = torch.load(tmp_path / "data_free.ckpt", weights_only=True)

    assert saved["callbacks"]["zero_space_ecc.wot"]["ignore"] == ["network.head"]
    assert torch.equal(saved["state_dict"]["network.head.weight"], model.network.head.weight)
