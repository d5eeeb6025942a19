"""``fulmen search``: from a YAML to a front of ordinary configs, in this process."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch import LightningModule

from fulmen import Analyzer, Candidate, Engine, Evaluation, Report, Searcher
from fulmen.study import Study
from fulmen.testing.toys import ToyClassifier

TO_CSV = ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=logs"]


def search(run_fulmen, name, *options):
    return run_fulmen("search", "--config", name, "--run=out", "--quiet", *options)


def test_a_front_of_ordinary_configs_comes_back(run_fulmen, write_config, tmp_path):
    name = write_config(final={"top_k": 1, "seeds": 2})

    ran = search(run_fulmen, name)

    assert ran.status == 0, ran.stderr
    front = pd.read_csv("out/front.csv")
    assert list(front.columns[:5]) == ["place", "candidate", "loss", "flops", "parents"]
    assert front["model.init_args.lr"].isin([0.001, 0.003, 0.01, 0.03, 0.1, 0.3]).all()
    report = Report.load("out")
    assert report.scalars["evaluations"] == 4
    final = report.tables["final"]
    assert (final["trained"] == 2).all()
    assert {"loss", "loss (spread)", "test_loss", "test_loss (spread)"} <= set(final.columns)
    line = next(
        finding for finding in report.findings if finding.startswith("final, network 1 (2 trainings): ")
    )
    assert f"test_loss {final['test_loss'][0]:.4g} ± {final['test_loss (spread)'][0]:.2g}" in line
    assert json.loads(Path("out/status.json").read_text())["state"] == "done"
    card = Path("out/networks/1.md").read_text()
    assert f"candidate {front['candidate'][0]} of out" in card
    assert "| test_loss |" in card
    # Needs nothing of the searcher:
    config = yaml.safe_load(Path("out/networks/1.yaml").read_text())
    assert config["model"]["init_args"]["lr"] == front["model.init_args.lr"][0]
    assert set(config) == {"seed_everything", "model", "data", "trainer"}
    ran = run_fulmen("fit", "--config", "out/networks/1.yaml", "--quiet")
    assert ran.status == 0, ran.stderr
    ran = run_fulmen(
        "test", "--config", "out/networks/1.yaml", "--ckpt_path", "out/networks/1.ckpt", "--quiet"
    )
    assert ran.status == 0, ran.stderr


def test_the_best_config_trained_by_fit_gives_what_was_reported(run_fulmen, write_config):
    name = write_config(fidelity=None, trainer={"max_epochs": 2, "accelerator": "cpu"})
    assert search(run_fulmen, name, "--trainer.logger=false").status == 0
    reported = pd.read_csv("out/front.csv")["loss"][0]

    ran = run_fulmen("fit", "--config", "out/networks/1.yaml", *TO_CSV)

    assert ran.status == 0, ran.stderr
    metrics = pd.read_csv(next(Path("logs").rglob("metrics.csv")))
    assert metrics["val_loss"].dropna().iloc[-1] == pytest.approx(reported, abs=1e-6)


def test_fit_on_a_network_does_the_final_training_again_whose_checkpoint_it_has(run_fulmen, write_config):
    name = write_config(final={"top_k": 1, "seeds": 2, "epochs": 3})
    assert search(run_fulmen, name).status == 0
    with Study.read(Path("out")) as study:
        finals = study.finals()
    reported = next(one for key, one in finals.items() if key.endswith("-0-epochs-3"))["values"]["loss"]
    weights = torch.load("out/networks/1.ckpt", weights_only=True)["state_dict"]

    ran = run_fulmen("fit", "--config", "out/networks/1.yaml", "--quiet", *TO_CSV)

    assert ran.status == 0, ran.stderr
    metrics = pd.read_csv(next(Path("logs").rglob("metrics.csv")))
    assert metrics["epoch"].max() == 2
    assert metrics["val_loss"].dropna().iloc[-1] == pytest.approx(reported, abs=1e-6)
    again = torch.load(next(Path("logs").rglob("*.ckpt")), weights_only=True)["state_dict"]
    assert all(torch.equal(weights[key], again[key]) for key in weights)


def test_final_trainings_for_other_epochs_are_others(run_fulmen, write_config):
    name = write_config(final={"top_k": 1, "seeds": 1, "epochs": 1})
    assert search(run_fulmen, name).status == 0
    assert search(run_fulmen, name, "--final.epochs=2").status == 0

    with Study.read(Path("out")) as study:
        finals = study.finals()
    assert [key.partition("-epochs-")[2] for key in finals] == ["1", "2"]
    assert yaml.safe_load(Path("out/networks/1.yaml").read_text())["trainer"]["max_epochs"] == 2
    assert Report.load("out").tables["final"]["trained"].tolist() == [1]
    assert run_fulmen("studies", "show", "out").stdout.count("final trainings 1 of 1") == 1


def test_the_searchers_seed_is_that_of_the_run_unless_it_has_one(run_fulmen, write_config):
    name, asked = write_config(), {}
    for run, options in {
        "1": ["--seed_everything=1"],
        "2": ["--seed_everything=2"],
        "its own": ["--seed_everything=2", "--searcher.seed=1"],
    }.items():
        ran = run_fulmen("search", "--config", name, f"--run={run}", "--quiet", *options)
        assert ran.status == 0, ran.stderr
        with Study.read(Path(run)) as study:
            asked[run] = [(one.candidate.overlay, one.candidate.seed) for one in study.told()]
    overlays = {run: [overlay for overlay, _ in candidates] for run, candidates in asked.items()}

    assert overlays["1"] == overlays["its own"] != overlays["2"]
    assert not {seed for _, seed in asked["1"]} & {seed for _, seed in asked["2"]}


def test_another_config_at_a_finished_run_goes_beside_it_with_a_word(run_fulmen, write_config, caplog):
    name = write_config()
    assert search(run_fulmen, name).status == 0

    ran = search(run_fulmen, name, "--searcher.seed=2")

    assert ran.status == 0
    assert "out: is taken by an earlier search; this one goes to out-2." in caplog.text


def test_the_same_command_goes_on_and_a_larger_budget_extends(run_fulmen, write_config, caplog):
    name = write_config()
    assert search(run_fulmen, name, "--budget.evaluations=2").status == 0
    with Study.read(Path("out")) as study:
        first = study.told()
    assert "spent already" not in caplog.text
    assert search(run_fulmen, name, "--budget.evaluations=2").status == 0
    assert "search: the budget was spent already (2 evaluations); a larger one extends it." in caplog.text
    assert "nothing more to ask for" not in caplog.text
    assert search(run_fulmen, name, "--budget.evaluations=4").status == 0

    with Study.read(Path("out")) as study:
        assert study.told()[:2] == first
        assert study.counts() == {"asked": 4, "ok": 4}
    assert not Path("out-2").exists()
    shutil.move("out", "elsewhere")  # nothing in a run knows where it lies
    ran = run_fulmen("search", "--config", name, "--run=elsewhere", "--quiet", "--budget.evaluations=5")
    assert ran.status == 0, ran.stderr
    with Study.read(Path("elsewhere")) as study:
        told = study.told()
    assert len(told) == 5
    assert all(Path(one.evaluation.artifacts["checkpoint"]).is_file() for one in told)
    assert all(path.with_suffix(".ckpt").exists() for path in Path("elsewhere/networks").glob("*.yaml"))
    shutil.move("elsewhere", "out")
    assert search(run_fulmen, name, "--fresh").status == 0
    assert Path("out-2").exists()


def test_a_finished_search_is_still_finished_when_its_extension_is_refused(run_fulmen, write_config):
    name = write_config()
    assert search(run_fulmen, name, "--budget.evaluations=2").status == 0
    ray = ["--engine=ray", "--engine.address=127.0.0.1:1"]

    assert search(run_fulmen, name, "--budget.evaluations=4", *ray).status == 2

    assert json.loads(Path("out/status.json").read_text())["state"] == "done"


def test_a_final_training_that_took_too_long_is_tried_again(run_fulmen, write_config):
    name = write_config(final={"top_k": 1, "seeds": 2})
    assert search(run_fulmen, name, "--budget.evaluations=1").status == 0
    with Study.open(Path("out"), json.loads(Path("out/status.json").read_text())["digest"]) as study:
        finals = study.finals()
        late = next(iter(finals))
        with study.transaction() as transaction:
            transaction.final(
                late, 0, Evaluation(status="timeout", failure="it took more than 1 s (timeout_s)")
            )

    assert search(run_fulmen, name, "--budget.evaluations=1").status == 0
    with Study.read(Path("out")) as study:
        again = study.finals()
    assert again[late]["values"] == finals[late]["values"]
    assert {key: again[key] for key in again if key != late} == {k: finals[k] for k in finals if k != late}


def test_another_space_at_the_same_path_is_refused(run_fulmen, write_config, tmp_path):
    name = write_config()
    assert search(run_fulmen, name).status == 0
    status = json.loads(Path("out/status.json").read_text())
    Path("out/status.json").write_text(json.dumps({**status, "state": "running"}))

    ran = search(run_fulmen, name, "--searcher.seed=2")

    assert ran.status == 2
    assert "out: holds an unfinished search of another config; give --fresh" in ran.stderr


def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file(run_fulmen, write_config):
    ran = search(run_fulmen, write_config(), "--searcher", "climbr")

    assert ran.status == 2
    assert ran.stderr.startswith("error: searcher: no searcher is called 'climbr'; did you mean 'climber'")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("budget", "expected its options (evaluations, minutes), or a file that has them, got 'null'."),
        ("trainer", "expected its options (accelerator, strategy, devices, ...), or a file that has them"),
    ],
)
def test_a_group_of_options_cannot_be_nothing(run_fulmen, write_config, tmp_path, key, said):
    name = write_config()
    (tmp_path / "more.yaml").write_text(f"{key}: null\n")

    ran = search(run_fulmen, name, "--config", "more.yaml")
    assert ran.status == 2
    assert ran.stderr == f"error: more.yaml: {key}: expected keys and their values, got None.\n"
    ran = search(run_fulmen, name, f"--{key}=null")
    assert ran.status == 2
    assert ran.stderr.startswith(f"error: {key}: {said}")


def test_a_search_without_an_end_says_so_and_one_that_is_stopped_is_called_so(
    run_fulmen, write_config, caplog
):
    name = write_config(
        searcher={"class_path": f"{__name__}.StopsItself"}, budget={"evaluations": None, "minutes": None}
    )

    assert search(run_fulmen, name).status == 0

    assert "search: the budget has no limit; it goes on until" in caplog.text
    assert run_fulmen("studies", "show", "out").stdout.startswith("stopped, 2 done")


def test_a_search_stops_among_its_final_trainings_too(run_fulmen, write_config):
    name = write_config(
        model={"class_path": f"{__name__}.StopsOnce"},
        final={"top_k": 1, "seeds": 2},
        searcher={"class_path": "climber", "init_args": {"space": {"model.init_args.lr": [0.01]}}},
        budget={"evaluations": 1},
    )

    assert search(run_fulmen, name).status == 0
    assert run_fulmen("studies", "show", "out").stdout.startswith("stopped, 1 done")
    assert Report.load("out").tables["final"]["trained"].tolist() == [1]

    assert search(run_fulmen, name).status == 0
    assert run_fulmen("studies", "show", "out").stdout.startswith("done, 1 done")
    assert Report.load("out").tables["final"]["trained"].tolist() == [2]


class StopsOnce(ToyClassifier):
    """Asks for an end in the first test that there is."""

    def on_test_start(self):
        if not Path("once").exists():
            Path("once").touch()
            Path("out/stop").touch()


class StopsItself(Searcher):
    """Asks for an end with its second candidate."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self):
        self.asked += 1
        if self.asked == 2:
            Path("out/stop").touch()
        return Candidate(self.asked - 1, {"model.init_args.lr": 0.1 / self.asked})

    def tell(self, candidate, evaluation):
        pass

    def state_dict(self):
        return {"asked": self.asked}

    def load_state_dict(self, state):
        self.asked = state["asked"]


class One(StopsItself):
    """Has one candidate in all."""

    def ask(self):
        return None if self.asked else super().ask()


def test_a_searcher_that_has_no_more_is_told_from_a_budget_that_is_spent(run_fulmen, write_config, caplog):
    name = write_config(searcher={"class_path": f"{__name__}.One"})
    for _ in range(2):
        assert search(run_fulmen, name).status == 0

    assert "search: 1 evaluation done, and the searcher has nothing more to ask for." in caplog.text


def test_quiet_is_quiet_with_a_config_that_was_written_out(run_fulmen, write_config):
    name = write_config()
    assert run_fulmen("search", "--config", name, "--run=out").status == 0

    ran = run_fulmen("fit", "--config", "out/networks/1.yaml", "--quiet")

    assert "enable_model_summary: null" in Path("out/networks/1.yaml").read_text()
    assert (ran.status, ran.stdout) == (0, "")


def test_a_dry_run_says_what_it_would_cost_and_keeps_nothing(run_fulmen, write_config, tmp_path):
    name = write_config(final={"top_k": 2, "seeds": 3}, budget={"evaluations": 100, "minutes": 5})

    ran = run_fulmen("search", "--config", name, "--dry_run")

    assert ran.status == 0, ran.stderr
    assert "100 evaluations would take about" in ran.stdout
    assert "5 minutes are enough for about" in ran.stdout
    assert "the 6 final trainings would take about" in ran.stdout
    assert not (tmp_path / "runs").exists()


def test_candidates_that_fail_are_recorded_and_the_search_goes_on(run_fulmen, write_config):
    """Among them some of a key that takes numbers and words: a table has one type a column."""
    space = {"model.init_args.lr": [0.01, 1e30], "data.init_args.batch_size": [8, -3, "all"]}
    name = write_config(
        searcher={"class_path": "climber", "init_args": {"space": space, "seed": 3}},
        budget={"evaluations": 10},
        fidelity={"epochs": 2},
    )

    ran = search(run_fulmen, name)

    assert ran.status == 0, ran.stderr
    table = Report.load("out").tables["candidates"]
    assert set(table["status"]) == {"ok", "nan", "crash", "invalid"}
    assert table.loc[table["status"] == "nan", "failure"].str.startswith("the loss is nan").all()
    sizes = table["data.init_args.batch_size"]
    assert (sizes[table["status"] == "crash"] == "-3").all()
    assert (sizes[table["status"] == "invalid"] == "all").all()
    assert run_fulmen("studies", "export", "out", "all.parquet").status == 0
    exported = pd.read_parquet("all.parquet")["data.init_args.batch_size"]
    pd.testing.assert_series_equal(exported, sizes, check_dtype=False)


def test_a_hopeless_candidate_is_stopped_early(run_fulmen, write_config):
    name = write_config(
        fidelity={"epochs": 2, "abort_metric": "val_acc", "abort_below": 1.1}, budget={"evaluations": 2}
    )

    assert search(run_fulmen, name).status == 1  # no candidate has values

    table = Report.load("out").tables["candidates"]
    assert set(table["status"]) == {"stuck"}
    assert table["failure"].str.contains(r"val_acc is .* after 1 epochs \(abort_below 1\.1\)").all()


def test_of_an_epoch_that_is_validated_twice_the_end_is_looked_at(run_fulmen, write_config):
    name = write_config(
        model={"class_path": f"{__name__}.Counts"},
        trainer={**CPU, "limit_train_batches": 3, "val_check_interval": 1, "logger": False},
        fidelity={"epochs": 2, "abort_metric": "val_steps", "abort_below": 1000},
        budget={"evaluations": 1},
    )

    search(run_fulmen, name)

    (failure,) = Report.load("out").tables["candidates"]["failure"]
    assert failure == "val_steps is 3 after 1 epochs (abort_below 1000)"


class Counts(ToyClassifier):
    """Logs after how many batches it is validated."""

    def on_validation_epoch_end(self):
        self.log("val_steps", float(self.global_step))


def test_an_analyzers_scalar_is_an_objective(run_fulmen, write_config):
    objectives = [
        {
            "name": "norm",
            "mode": "min",
            "bound": 1e9,
            "source": {"analyzer": {"class_path": f"{__name__}.Norm"}, "scalar": "norm"},
        },
        {"name": "memory", "mode": "min", "source": {"cost": "peak_memory", "options": {"batch_size": 2}}},
        {"name": "size", "mode": "min", "source": {"cost": "parameters"}},
        {"name": "latency", "mode": "min", "source": {"cost": "latency", "options": {"most_seconds": 0.1}}},
    ]

    ran = search(run_fulmen, write_config(objectives=objectives, budget={"evaluations": 2}))

    assert ran.status == 0, ran.stderr
    front = pd.read_csv("out/front.csv")
    assert (front["norm"] > 0).all()
    assert (front["size"] == 1606).all()
    assert front["latency"].between(0.3, 3).all()  # the same network each time


class Norm(Analyzer):
    """Measures the weights."""

    def analyze(self, context):
        assert not context.model.training
        assert "state_dict" in context.checkpoint
        return Report(scalars={"norm": sum(float(p.norm()) for p in context.model.parameters())})


class Refuses(Analyzer):
    """Finds fault with networks that learn fast."""

    def analyze(self, context):
        if context.model.lr > 0.01:
            raise ValueError("too fast for me")
        return Report(scalars={"norm": 1.0})


class Lost(ToyClassifier):
    """Comes to no number in its test."""

    def test_step(self, batch, batch_idx):
        self.log("test_loss", torch.tensor(float("nan")))


def test_a_final_training_whose_test_comes_to_no_number_has_failed(run_fulmen, write_config, caplog):
    name = write_config(
        model={"class_path": f"{__name__}.Lost"}, final={"top_k": 1}, budget={"evaluations": 2}
    )

    search(run_fulmen, name)

    final = Report.load("out").tables["final"]
    assert (final["failed"] == 3).all()
    assert "failed: test_loss is nan" in caplog.text


def test_what_failed_after_its_training_leaves_no_checkpoint(run_fulmen, write_config):
    """No front needs it, and the bound on the disk counts only those with values."""
    source = {"analyzer": {"class_path": f"{__name__}.Refuses"}, "scalar": "norm"}
    name = write_config(
        objectives=[{"name": "norm", "mode": "min", "source": source}],
        searcher={"class_path": "climber", "init_args": {"space": {"model.init_args.lr": [0.01, 0.1]}}},
    )

    assert search(run_fulmen, name).status == 0

    statuses = Report.load("out").tables["candidates"].set_index("candidate")["status"]
    kept = {int(path.parent.name) for path in Path("out/candidates").glob("*/model.ckpt")}
    assert set(statuses) == {"ok", "crash"}
    assert kept <= set(statuses.index[statuses == "ok"])


class NoRoom(ToyClassifier):
    """Finds the disk full in its second candidate, as long as there is a file that says so."""

    def on_fit_end(self):
        if Path("full").exists() and Path("out/candidates/0/model.ckpt").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.ckpt")


def test_a_disk_that_is_full_for_a_candidate_is_no_failure_of_its_own(run_fulmen, write_config):
    name = write_config(model={"class_path": f"{__name__}.NoRoom"})
    Path("full").touch()

    ran = search(run_fulmen, name)

    assert (ran.status, ran.stderr.splitlines()[-1][:36]) == (1, "error: a.ckpt: not written (No space")
    with Study.read(Path("out")) as study:
        assert study.counts() == {"asked": 2, "ok": 1}
    Path("full").unlink()
    assert search(run_fulmen, name).status == 0
    with Study.read(Path("out")) as study:
        assert study.counts() == {"asked": 4, "ok": 4}


class Overshoots(ToyClassifier):
    """Is none after its last step, which no validation shows that looks at accuracy alone."""

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.trainer.is_last_batch and self.lr > 0.01:
            torch.nn.init.constant_(self.network[0].weight, float("nan"))


class Diverges(ToyClassifier):
    """Has no loss in the last batch."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (float("nan") if batch_idx == 1 else 1.0)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("Overshoots", "the weights are not finite after the training"),
        ("Diverges", "the loss is nan in epoch 1"),
    ],
)
def test_what_diverges_at_the_very_end_is_on_no_front(run_fulmen, write_config, model, said):
    name = write_config(
        model={"class_path": f"{__name__}.{model}"},
        objectives=[{"name": "accuracy", "mode": "max", "source": {"metric": "val_acc"}}],
        budget={"evaluations": 6},
    )

    search(run_fulmen, name)

    table = Report.load("out").tables["candidates"]
    assert set(table["status"]) <= {"ok", "nan"}
    assert set(table["failure"][table["status"] == "nan"]) == {said}
    assert (table["model.init_args.lr"][table["status"] == "ok"] <= 0.01).all()


def test_a_budget_that_ends_before_the_first_result_says_so(run_fulmen, write_config):
    ran = search(run_fulmen, write_config(budget={"minutes": 1e-9}))

    assert ran.status == 1
    assert "error: search: no candidate has values. None was evaluated: the budget ended" in ran.stderr


class HalfAnEngine(Engine):
    """Lacks `slots` and more."""


class Untested(ToyClassifier):
    """Is trained and validated, and no more."""

    test_step = LightningModule.test_step


CPU = {"accelerator": "cpu"}
METRIC = {"name": "loss", "mode": "min", "source": {"metric": "val_loss"}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"objectives": []}, "search.yaml: objectives: none are given"),
        ({"objectives": [METRIC, METRIC]}, "search.yaml: objectives: 'loss': stands there twice"),
        (
            {"objectives": [{**METRIC, "mode": "up"}]},
            "search.yaml: objectives: 'loss': mode: expected max or min, got 'up'",
        ),
        ({"objectives": [{"name": "a", "mode": "min"}]}, "lacks 'source'"),
        ({"objectives": [{**METRIC, "weight": 2}]}, "has no key 'weight'"),
        ({"objectives": [{**METRIC, "bound": "high"}]}, "'loss': bound: expected a number, got 'high'"),
        (
            {"objectives": [{**METRIC, "source": {"metrics": "val_loss"}}]},
            "expected one of metric, cost, analyzer",
        ),
        (
            {"objectives": [{**METRIC, "source": {"metric": "val_los"}}]},
            "search.yaml: objectives: 'loss': the model logs no metric 'val_los'; it logs train_loss",
        ),
        (
            {"objectives": [{**METRIC, "source": {"cost": "latncy"}}]},
            "search.yaml: objectives: no cost is called 'latncy'; there are latency, flops",
        ),
        (
            {"objectives": [{**METRIC, "source": {"cost": "flops", "options": {"batch": 1}}}]},
            "cost flops: no option 'batch'",
        ),
        (
            {"objectives": [{**METRIC, "source": {"cost": "flops", "options": {"batch_size": 0}}}]},
            "batch_size: expected 1 or more",
        ),
        (
            {"objectives": [{**METRIC, "source": {"cost": "latency", "options": {"most_seconds": None}}}]},
            "cost latency: most_seconds: expected a number above 0, got None",
        ),
        (
            {"objectives": [{**METRIC, "source": "val_loss"}]},
            "'loss': source: expected keys such as {metric: val_acc}, got 'val_loss'",
        ),
        (
            {"objectives": [{**METRIC, "source": {"analyzer": "nosuch", "scalar": "a"}}]},
            "objectives: 'loss': analyzer: no analyzer is called 'nosuch'",
        ),
        ({"objectives": [{**METRIC, "source": {"analyzer": "x.Y"}}]}, "which of the analyzer's scalars?"),
        (
            {
                "objectives": [
                    {**METRIC, "source": {"analyzer": {"class_path": f"{__name__}.Norm"}, "scalar": "nrm"}}
                ]
            },
            "Norm reports no scalar 'nrm'; it reports norm",
        ),
        ({"budget": {"evaluations": 0}}, "search.yaml: budget.evaluations: expected 1 or more, got 0"),
        ({"budget": {"minutes": -1}}, "search.yaml: budget.minutes: expected a number above 0"),
        ({"final": {"top_k": None}}, "search.yaml: final.top_k: expected 1 or more, got None"),
        (
            {"engine": {"class_path": "processes", "init_args": {"threads": None}}},
            "search.yaml: engine.init_args.threads: expected a value, got null: give one, or leave it out",
        ),
        (
            {"objectives": [{**METRIC, "name": None}]},
            "search.yaml: objectives: name: expected a text, got None",
        ),
        (
            {"fidelity": {"abort_metric": "val_acc", "abort_below": 0.5, "abort_above": 0.4}},
            "search.yaml: fidelity.abort_below: expected abort_above (0.4) or less, got 0.5",
        ),
        ({"fidelity": {"epochs": 0}}, "search.yaml: fidelity.epochs: expected 1 or more"),
        ({"fidelity": {"data": 1.5}}, "search.yaml: fidelity.data: expected a share"),
        (
            {"fidelity": {"abort_metric": "val_acc"}},
            "search.yaml: fidelity.abort_metric needs abort_below or abort_above",
        ),
        (
            {"fidelity": {"abort_metric": "val_ac", "abort_below": 0.1}},
            "no metric 'val_ac' is logged by then",
        ),
        (
            {"fidelity": {"epochs": 1}, "trainer": {**CPU, "check_val_every_n_epoch": 2}},
            "search.yaml: fidelity.epochs: expected 2 or more, got 1: the model is validated after every 2",
        ),
        (
            {
                "final": {"epochs": 1},
                "trainer": {**CPU, "check_val_every_n_epoch": 2},
                "fidelity": None,
            },
            "search.yaml: final.epochs: expected 2 or more, got 1",
        ),
        (
            {"fidelity": {"epochs": 2, "rungs": [1]}, "trainer": {**CPU, "check_val_every_n_epoch": 2}},
            "search.yaml: fidelity.rungs: expected multiples of 2 (trainer.check_val_every_n_epoch), got 1",
        ),
        (
            {"fidelity": {"epochs": 2, "abort_metric": "val_acc", "abort_below": 0.1, "abort_after": 3}},
            "search.yaml: fidelity.abort_after: expected 2 or less, the last epoch, got 3",
        ),
        (
            {"objectives": [{**METRIC, "name": "seed"}]},
            "search.yaml: objectives: 'seed': is a column of the results",
        ),
        (
            {"model": {"class_path": f"{__name__}.Untested"}, "final": {}},
            "search.yaml: final: trains the best and tests them; Untested has no test_step",
        ),
        (
            {"fidelity": {"data": 0.01}},
            "search.yaml: fidelity.data: 0.01 of ",
        ),
        (
            {"engine": {"class_path": "ray", "init_args": {"address": "127.0.0.1:1"}}},
            "there is no cluster at 127",
        ),
        ({"checkpoints_mb": -1}, "search.yaml: checkpoints_mb: expected 0 or more, got -1"),
        ({"final": {"seeds": 0}}, "search.yaml: final.seeds: expected 1 or more"),
        (
            {"searcher": {"class_path": "climbr", "init_args": {}}},
            "no searcher is called 'climbr'; did you mean",
        ),
        (
            {"searcher": {"class_path": "climber", "init_arg": {}}},
            "search.yaml: searcher.init_arg: no such key; did you mean 'init_args'?",
        ),
        (
            {"searcher": {"class_path": "climber", "space": {}}},
            "search.yaml: searcher.space: no such key; options of the class stand below init_args.",
        ),
        (
            {"searcher": {"class_path": "climber", "init_args": {"space": {}}}},
            "search.yaml: searcher: climber: space: expected keys",
        ),
        (
            {"searcher": {"class_path": "climber", "init_args": {"space": {"model.init_args.lrr": [1]}}}},
            "search.yaml: searcher: model.init_args.lrr: no such key in the config; did you mean "
            "'model.init_args.lr'?",
        ),
        (
            {"searcher": {"class_path": "climber", "init_args": {"space": {"modle.lr": [1]}}}},
            "modle.lr: no such key in the config; did you mean 'model'?",
        ),
        ({"searcher": None}, "searcher"),
        ({"model": None}, "model"),
        ({"engine": {"class_path": "inlin"}}, "no engine is called 'inlin'"),
        (
            {"engine": {"class_path": f"{__name__}.HalfAnEngine"}},
            "is abstract: it lacks a method",
        ),
        (
            {"trainer": {**CPU, "devices": 2, "strategy": "ddp"}},
            "a candidate trains in one process",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(run_fulmen, write_config, tmp_path, changed, said):
    ran = search(run_fulmen, write_config(**changed))

    assert ran.status == 2
    assert not (tmp_path / "out").exists()  # the mended command may have it
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len([line for line in ran.stderr.splitlines() if line.startswith("error: ")]) == 1


def test_where_all_candidates_fail_the_first_reason_is_told(run_fulmen, write_config):
    space = {"model.init_args.lr": ["fast", "slow"]}
    name = write_config(searcher={"class_path": "climber", "init_args": {"space": space}})

    ran = run_fulmen("search", "--config", name, "--run=out", "--budget.evaluations=2")

    assert ran.status == 1
    assert "The first of them failed so: " in ran.stdout
    assert "model.init_args.lr: expected float, got '" in " ".join(ran.stdout.split())
    error = (
        "error: search: no candidate has values. The first of them failed so: model.init_args.lr: expected fl"
    )
    assert ran.stderr.splitlines()[-1].startswith(error)
    assert run_fulmen("studies", "show", "out").stdout.startswith("done, 0 done, 2 failed")
