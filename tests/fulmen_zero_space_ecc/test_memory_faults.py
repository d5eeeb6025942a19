"""The analyzer `memory_faults`: its tables, what it refuses, and that a killed campaign goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fault_toys import Classifier, trained
from lightning.pytorch import LightningDataModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from wot_toys import ToyClassifier, digits

import fulmen
from fulmen import UserError
from fulmen_zero_space_ecc.campaign.fault_tables import CAMPAIGN
from fulmen_zero_space_ecc.campaign.memory_faults import MemoryFaults, shared_bench
from fulmen_zero_space_ecc.campaign.scrub_period import mean_hours_to_loss
from fulmen_zero_space_ecc.campaign.trial import Workbench

QUICK = {
    "rates": [0.001, 0.02],
    "trials": 6,
    "half_width": None,
    "schemes": ["none", "ecc_72_64", "in_place"],
}


class Digits(LightningDataModule):
    def test_dataloader(self):
        return digits(384, 448)


class Loader(LightningDataModule):
    """Whatever batches a test gives it."""

    def __init__(self, *tensors):
        super().__init__()
        self.tensors = tensors

    def test_dataloader(self):
        return DataLoader(TensorDataset(*self.tensors), 8)


def mapped(function, items, label, setup):
    shared = setup[0](*setup[1])
    return [json.loads(json.dumps(function(shared, item))) for item in items]


def analyze(model=None, checkpoint=None, data=None, mapper=mapped, **options):
    context = fulmen.AnalysisContext(
        model=model,
        datamodule=data,
        runner=None,
        run_dir=Path(),
        seed=1,
        device=torch.device("cpu"),
        checkpoint=checkpoint,
        mapper=mapper,
    )
    return MemoryFaults(**{**QUICK, **options}).analyze(context)


def analyze_toy(**options):
    model, checkpoint = trained("interleaved")
    return analyze(model, checkpoint, Digits(), **options)


def test_the_table_has_the_columns_and_rows_that_users_rely_on():
    report = analyze_toy()
    table = report.tables["campaign"]

    assert tuple(table.columns) == CAMPAIGN
    assert list(zip(table["scheme"], table["rate"], strict=True)) == [
        (scheme, rate) for scheme in QUICK["schemes"] for rate in QUICK["rates"]
    ]
    assert set(table["fault_model"]) == {"independent"}
    assert set(table["trials"]) == {6}
    for row in table.itertuples():
        assert report.scalars[f"accuracy/{row.scheme}/{row.rate:g}"] == row.accuracy_mean
        trials = report.arrays[f"accuracies.{row.scheme}.{row.rate:g}"]
        assert row.accuracy_mean == pytest.approx(trials.mean())
        assert row.accuracy_worst == trials.min()
        assert row.accuracy_low <= row.accuracy_mean <= row.accuracy_high
        assert row.drop_mean == pytest.approx(report.scalars["clean_accuracy/none"] - row.accuracy_mean)
    at = table.set_index(["scheme", "rate"])
    assert at.loc[("in_place", 0.02), "corrected"] > at.loc[("in_place", 0.02), "detected"] > 0
    assert at.loc[("none", 0.02), "silent"] > at.loc[("in_place", 0.02), "silent"]
    assert at["extra_bytes"].groupby("scheme").first().to_dict() == {
        "none": 0,
        "in_place": 0,
        "ecc_72_64": report.tables["schemes"].set_index("scheme").loc["none", "weight_bytes"] / 8,
    }


def test_all_schemes_met_the_same_faults():
    trials = analyze_toy().tables["trials"]
    assert (trials.groupby(["rate", "trial"])["faults"].nunique() == 1).all()
    assert trials["faults"].nunique() == 12


def test_every_scheme_and_policy_runs_by_default_and_the_report_can_be_kept(tmp_path):
    report = analyze_toy(
        schemes=None, policies=["leave", "zero", "golden"], vulnerability_trials=1, fit_per_mbit=500.0
    )
    schemes = set(report.tables["campaign"]["scheme"])
    assert {"none", "sign_extension", "parity_zero", "mset", "triple", "checksum_reload"} < schemes
    assert {f"{name}{p}" for name in ("in_place", "ecc_72_64") for p in ("", "+zero", "+golden")} < schemes
    report.save(tmp_path / "report")
    assert fulmen.Report.load(tmp_path / "report") == report
    assert {path.stem for path in (tmp_path / "report/figures").iterdir()} == {"accuracy", "vulnerability"}


def test_differences_are_those_of_paired_trials():
    report = analyze_toy()
    table = report.tables["differences"].set_index(["minus", "rate"])
    paired = report.arrays["accuracies.in_place.0.02"] - report.arrays["accuracies.none.0.02"]
    assert table.loc[("none", 0.02), "mean"] == pytest.approx(paired.mean())
    assert table.loc[("none", 0.02), "low"] < paired.mean() < table.loc[("none", 0.02), "high"]


def test_vulnerability_ranks_bits_of_layers():
    table = analyze_toy(schemes=["none"], rates=[0.3], trials=1, vulnerability_trials=2).tables[
        "vulnerability"
    ]
    assert len(table) == 3 * 8
    assert (table["drop_mean"].diff().dropna() <= 0).all()
    by_bit = table.groupby("bit")["drop_mean"].sum()
    assert by_bit[7] > by_bit[0]


def test_scrubbing_is_told_where_the_memory_is_known():
    report = analyze_toy(fit_per_mbit=1000)
    table = report.tables["scrubbing"].set_index(["scheme", "scrub_every"])["mean_years_to_loss"]
    blocks = report.tables["schemes"].set_index("scheme").loc["in_place", "units"]
    assert table["in_place", "1 hour"] == pytest.approx(mean_hours_to_loss(blocks, 64, 1000, 1.0) / 8766)
    assert table["in_place", "1 second"] > table["in_place", "1 year"] > table["none", "never"]
    assert "scrubbing" not in analyze_toy().tables


def test_how_often_to_scrub_is_told(tmp_path):
    report = analyze_toy(fit_per_mbit=1e9, mttf_years=50.0)
    table = report.tables["scrub_periods"].set_index("scheme")
    assert set(table.index) == {"in_place", "ecc_72_64"}
    blocks = report.tables["schemes"].set_index("scheme").loc["in_place", "units"]
    hours = table.loc["in_place", "scrub_every_hours"]
    assert mean_hours_to_loss(blocks, 64, 1e9, hours) == pytest.approx(50 * 8766)
    easy = analyze_toy(fit_per_mbit=1.0)
    assert np.isinf(easy.tables["scrub_periods"]["scrub_every_hours"]).all()
    easy.save(tmp_path / "report")
    assert fulmen.Report.load(tmp_path / "report") == easy


def test_a_rate_of_0_loses_nothing():
    table = analyze_toy(rates=[0.0]).tables["campaign"]
    assert (table["drop_mean"] == 0).all()
    assert (table[["corrected", "detected", "silent"]] == 0).all(axis=None)


def test_high_rates_are_called_what_they_are():
    report = analyze_toy(rates=[1e-5, 1e-3])
    memory = report.tables["rates"].set_index("rate")["memory"]
    assert memory[1e-3] == "low-voltage SRAM, worn flash"
    assert "DRAM" in memory[1e-5]
    assert any("not of DRAM" in finding for finding in report.findings)


@pytest.mark.parametrize("number_format", ["float32", "bfloat16"])
def test_float_models_need_no_wot(number_format):
    report = analyze(
        Classifier().eval(), None, Digits(), schemes=None, number_format=number_format, rates=[0.001]
    )
    schemes = set(report.tables["campaign"]["scheme"])
    assert schemes == {"none", "parity_zero", "ecc_72_64", "mset", "triple", "checksum_reload"}


@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_activations_can_be_hit(number_format):
    options = {"faults_in": "activations", "schemes": None, "number_format": number_format}
    report = analyze_toy(**options, rates=[0.0, 0.2])
    table = report.tables["campaign"].set_index("rate")
    assert set(table["scheme"]) == {"none"}
    assert table.loc[0.0, "drop_mean"] == 0
    assert table.loc[0.2, "drop_mean"] > 0.1
    assert table.loc[0.2, "silent"] > 0
    assert report == analyze_toy(**options, rates=[0.0, 0.2])
    spared = analyze_toy(**options, rates=[0.2], layers=["network.head"], bits=[0])
    assert spared.tables["campaign"].loc[0, "drop_mean"] < table.loc[0.2, "drop_mean"]


def test_only_the_first_images_where_so_asked():
    assert analyze_toy(images=17).scalars["images"] == 17
    assert analyze_toy().scalars["images"] == 64


def test_times_are_measured_where_so_asked():
    times = analyze_toy(measure_time=True).tables["times"]
    assert (times[["encode_ms", "decode_ms"]] > 0).all(axis=None)
    assert "times" not in analyze_toy().tables


BAD_OPTIONS = [
    ({"rates": [0.1, 1.5]}, r"rates is \[0.1, 1.5\]; a share of all bits, from 0 to 1"),
    ({"rates": [-1e-9]}, "from 0 to 1"),
    ({"rates": [float("nan")]}, "from 0 to 1"),
    ({"rates": []}, "at least one rate"),
    ({"rates": [0.1, 0.1]}, "each rate once"),
    ({"trials": 0}, "trials is 0; 1 or more is needed"),
    ({"min_trials": 1}, "min_trials is 1; 2 or more"),
    ({"half_width": 0.0}, "half_width is 0.0"),
    ({"confidence": 1.0}, "confidence is 1.0; a number between 0 and 1"),
    ({"schemes": ["none", "raid"]}, r"schemes is \['none', 'raid'\]; each is one of none, sign_extension"),
    ({"schemes": []}, "at least one scheme"),
    ({"policies": ["pray"]}, "each is one of leave, zero, golden, mmse"),
    ({"schemes": ["none", "in-place"]}, r"did you mean 'in_place'\?"),
    ({"policies": []}, "at least one policy"),
    ({"fault_model": "cosmic"}, "fault_model is 'cosmic'; one of independent, exact, bursts, rows, stuck_at"),
    ({"number_format": "int4"}, "number_format is 'int4'; one of int8, float32, bfloat16"),
    ({"faults_in": "biases"}, "one of weights, activations"),
    ({"stage": "train"}, "one of test, val"),
    ({"layout": "planes"}, "one of interleaved, paper"),
    ({"bits": [8]}, r"bits is \[8\]; a number from 0 to 7 for each"),
    ({"bits": []}, "at least one bit"),
    ({"layers": []}, "at least one layer"),
    ({"bits": [1], "fault_model": "bursts"}, "bursts hit neighbouring bits"),
    ({"burst_length": 0}, "burst_length is 0; 1 or more"),
    ({"row_bytes": 0}, "row_bytes is 0"),
    ({"stuck_value": 2}, "stuck_value is 2; one of 0, 1"),
    ({"vulnerability_trials": -1}, "vulnerability_trials is -1; 0 or more"),
    ({"fit_per_mbit": 0.0}, "fit_per_mbit is 0.0; a positive number"),
    ({"mttf_years": 0.0}, "mttf_years is 0.0; a positive number"),
    ({"images": 0}, "images is 0; 1 or more"),
    ({"cache_mb": -1}, "cache_mb is -1"),
    ({"schemes": ["in_place"], "number_format": "float32"}, "scheme in_place protects int8 weights"),
    ({"schemes": ["triple"], "faults_in": "activations"}, "scheme triple protects weights, faults"),
    ({"faults_in": "activations", "schemes": None, "vulnerability_trials": 1}, "for weights alone"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_are_refused_at_the_door(options, message):
    with pytest.raises(UserError, match=message) as caught:
        MemoryFaults(**{**QUICK, **options})
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("memory_faults: ")


class Recurrent(Classifier):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(3, 3)


class Boxes(Classifier):
    def forward(self, images):
        return super().forward(images)[..., None, None]


class Parts(Classifier):
    def forward(self, images):
        return {"scores": super().forward(images)}


def nan_model():
    model = Classifier().eval()
    model.network.head.weight.data[0, :3] = torch.nan
    return model


def compiled_model():
    return Classifier(torch.compile(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))).eval()


IMAGES, LABELS = torch.rand(16, 1, 8, 8), torch.arange(16) % 10
FREE = {"schemes": ["none"]}
BAD_INPUTS = [
    (lambda: (None, Digits()), {}, "no model to examine; set model and ckpt_path"),
    (lambda: (Classifier().eval(), None), FREE, "no images to classify; set data"),
    (lambda: (Classifier().eval(), Loader(IMAGES)), FREE, "gives batches without labels"),
    (lambda: (Classifier().eval(), Loader(IMAGES, LABELS.float())), FREE, "gives batches without labels"),
    (lambda: (Classifier().eval(), Loader(IMAGES, LABELS[:, None])), FREE, "gives batches without labels"),
    (lambda: (Classifier().eval(), Loader(IMAGES[:0], LABELS[:0])), FREE, "is empty; images are needed"),
    (lambda: (Classifier().eval(), Digits()), {**FREE, "stage": "val"}, "has no val_dataloader"),
    (lambda: (Classifier().eval(), Digits()), {**FREE, "images": 65}, "images is 65, .* has 64"),
    (lambda: (Classifier().eval(), Digits()), {}, r"held weights lie outside \[-64, 63\] \(network"),
    (lambda: (nan_model(), Digits()), FREE, r"network.head.weight: 3 weights are not finite"),
    (lambda: (Recurrent().eval(), Digits()), FREE, r"layer 'memory' \(LSTM\)"),
    (lambda: (ToyClassifier().eval(), Digits()), FREE, "has no forward; one that maps images to scores"),
    (lambda: (Boxes().eval(), Digits()), FREE, r"the model gives \(32, 10, 1, 1\); scores of shape"),
    (lambda: (Parts().eval(), Digits()), FREE, "the model gives a dict; one tensor of scores"),
    (lambda: (compiled_model(), Digits()), FREE, "is compiled, which hides its layers"),
    (lambda: (Classifier().eval(), Digits()), {**FREE, "layers": ["body"]}, "no weights of 'body'; there"),
    (lambda: (Classifier().eval(), Digits()), {**FREE, "policies": ["zero"]}, "zero is known to ecc"),
    (lambda: (Classifier().eval(), Digits()), {**FREE, "ignore": ["tail"]}, "parameter called 'tail'"),
    (
        lambda: (Classifier().eval(), Digits()),
        {"schemes": None, "faults_in": "activations", "layers": ["body"]},
        "no weights of 'body'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "options", "message"), BAD_INPUTS)
def test_inputs_are_refused_by_name(inputs, options, message):
    model, data = inputs()
    with pytest.raises(UserError, match=message) as caught:
        analyze(model, None, data, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("memory_faults: ")


def test_another_layout_than_wot_held_is_refused_with_the_right_one():
    with pytest.raises(UserError, match=r"held by wot in layout 'interleaved'; leave layout out"):
        analyze_toy(layout="paper")


def test_a_model_that_wot_never_held_is_told_which_layers_and_what_to_do():
    with pytest.raises(UserError) as caught:
        analyze(Classifier().eval(), None, Digits(), schemes=None)
    message = str(caught.value)
    for part in (
        "network.stem.0: ",
        "network.head: ",
        "train some epochs with callback wot",
        "schemes: [none, ",
    ):
        assert part in message


def test_a_checkpoint_of_another_model_is_refused():
    _, checkpoint = trained("interleaved")
    other = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))).eval()
    with pytest.raises(UserError, match=r"network.1.weight: the checkpoint has no frozen scale for it"):
        analyze(other, checkpoint, Digits())


def test_finished_pieces_are_taken_back_when_the_disk_was_full(tmp_path, monkeypatch):
    """A disk that fills loses nothing that was finished: the campaign goes on to the same table."""
    from fulmen.errors import ArtifactError

    model, checkpoint = trained("interleaved")
    options = {**QUICK, "trials": 40}
    runner = fulmen.Runner(logger=False, accelerator="cpu")
    path = tmp_path / "toy.ckpt"
    torch.save({"state_dict": model.state_dict(), **checkpoint}, path)

    def run(name):
        return runner.analyze(
            MemoryFaults(**options), model, Digits(), ckpt_path=path, run=tmp_path / name, quiet=True
        )

    whole = run("whole")
    from fulmen.engines import kept_map

    written, plain = [], kept_map.write_artifact

    def fills(target, content):
        if len(written) == 5:
            raise ArtifactError(f"{target}: the disk is full")
        written.append(target)
        return plain(target, content)

    with monkeypatch.context() as patched:
        patched.setattr(kept_map, "write_artifact", fills)
        with pytest.raises(ArtifactError, match="the disk is full"):
            run("full")
    tried = []
    plain_trial = Workbench.trial
    monkeypatch.setattr(Workbench, "trial", lambda *args: (tried.append(args[1:]), plain_trial(*args))[1])
    again = run("full")

    assert again.tables["campaign"].equals(whole.tables["campaign"])
    assert len(tried) == 3 * 2 * 40 - 5 * 10


def test_another_process_says_that_it_lacks_the_model():
    with pytest.raises(RuntimeError, match="does not hold the model of the campaign"):
        shared_bench("0" * 32)


def test_the_shipped_config_runs(run_fulmen, repository, tmp_path):
    configs = repository / "configs/zero_space_ecc"
    trained = run_fulmen(
        "fit",
        "--config",
        configs / "digits.yaml",
        "--trainer.limit_train_batches=4",
        "--trainer.limit_val_batches=1",
    )
    assert trained.status == 0, trained.stderr
    limits = ["--analyzer.init_args.trials=3", "--analyzer.init_args.vulnerability_trials=1"]
    limits += ["--analyzer.init_args.rates=[0.01]", "--analyzer.init_args.images=40"]
    examined = run_fulmen("analyze", "--config", configs / "digits_faults.yaml", *limits, "--run", "faults")
    assert examined.status == 0, examined.stderr

    report = json.loads((tmp_path / "faults/report/report.json").read_text())
    assert report["scalars"]["extra_bytes/in_place"] == 0
    table = pd.read_csv(tmp_path / "faults/report/tables/campaign.csv")
    assert tuple(table.columns) == CAMPAIGN


KILLED = """
import sys; sys.path.insert(0, sys.argv[1])
from test_memory_faults import campaign
campaign("killed")
"""


def campaign(run, folder=None):
    """Run a campaign on the checkpoint in a folder."""
    folder = folder or Path.cwd()
    analyzer = MemoryFaults(rates=[1e-3, 2e-2], trials=200, half_width=None, schemes=["none", "in_place"])
    runner = fulmen.Runner(logger=False, accelerator="cpu")
    return runner.analyze(
        analyzer, Classifier(), Digits(), ckpt_path=folder / "toy.ckpt", run=folder / run, quiet=True
    )


@pytest.mark.process
def test_killed_it_goes_on_to_the_same_table(tmp_path, monkeypatch):
    """kill -9 in the middle of a campaign; benchmarks/fault_campaign_kill.py does it 20 times."""
    model, checkpoint = trained("interleaved")
    torch.save({"state_dict": model.state_dict(), **checkpoint}, tmp_path / "toy.ckpt")
    whole = campaign("whole", tmp_path)

    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(Path(__file__).parent)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(tmp_path.glob("killed/pieces/**/*.json"))) < 20:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    tried = []
    plain_trial = Workbench.trial
    monkeypatch.setattr(Workbench, "trial", lambda *args: (tried.append(args[1:]), plain_trial(*args))[1])
    resumed = campaign("killed", tmp_path)

    assert resumed == whole
    assert 0 < len(tried) <= 4 * 200 - 20 * 10
