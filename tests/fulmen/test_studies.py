"""``fulmen studies``: what it tells of searches, and what it takes out of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fulmen.runs import open_run
from fulmen.searching import Candidate, Evaluation, Objective
from fulmen.study import Study, Told
from fulmen.study.export import export

OBJECTIVES = [
    {"name": "f1", "mode": "max", "source": {"metric": "val_f1"}},
    {"name": "latency", "mode": "min", "source": {"cost": "latency"}, "bound": 3.0},
]


@pytest.fixture
def searches(tmp_path):
    """Two finished searches: runs/a, runs/b."""
    for name, shift in {"a": 0.0, "b": 0.05}.items():
        directory = open_run("search", {"objectives": OBJECTIVES, "name": name}, tmp_path / "runs" / name)
        with Study.open(directory.path, name) as study:
            for id in range(12):
                overlay = {
                    "model.init_args.lr": 0.1 * (id + 1),
                    "model.init_args.net": {"class_path": "x.Y"},
                    "t": [1, id],
                }
                values = {"f1": 0.5 + id / 40 + shift, "latency": 0.5 + id / 3}
                with study.transaction() as transaction:
                    transaction.ask(Candidate(id, overlay, (id - 1,) if id else ()))
                    failed = Evaluation(failure='[red]boom[/red] \', "quoted"')
                    transaction.tell(id, failed if id == 5 else Evaluation(values, seconds=2.0))
                    transaction.set("seconds", 30.0)
        directory.finish()
        directory.close()
    return tmp_path


def test_list_and_show_and_compare(searches, run_fulmen):
    listed = run_fulmen("studies", "list")
    shown = run_fulmen("studies", "show", "runs/a")
    compared = run_fulmen("studies", "compare", "runs/a", "runs/b")

    assert listed.status == shown.status == compared.status == 0
    assert listed.stdout.splitlines()[0].startswith("runs/a: done, 11 done, 1 failed, 0 running, front of 7")
    assert shown.stdout.splitlines()[2].split() == [
        "candidate",
        "f1",
        "latency",
        "model.init_args.lr",
        "model.init_args.net",
        "t",
    ]
    assert shown.stdout.splitlines()[3].split()[:3] == ["7", "0.675", "2.833"]
    rows = [line.split() for line in compared.stdout.splitlines()]
    assert rows[0][:5] == ["search", "told", "failed", "front", "hypervolume"]
    assert float(rows[2][4]) > float(rows[1][4])  # b is better everywhere
    # The fronts' worst: f1 0.5 (candidate 0 of a) and latency 2.833; their best: 0.725 and 0.5.
    assert "from one point for all, a tenth beyond the worst of the fronts (f1 0.4775, latency 3.067)" in (
        compared.stdout
    )


def test_watch_ends_with_a_search_that_is_over(searches, run_fulmen):
    assert run_fulmen("studies", "watch", "runs/a").stdout.startswith("done, 11 done")


def test_a_running_search_is_asked_to_stop_and_a_finished_one_cannot_be(searches, run_fulmen):
    refused = run_fulmen("studies", "stop", "runs/a")
    directory = open_run("search", {"objectives": OBJECTIVES}, Path("runs/c"))
    Study.open(directory.path, "c").close()
    asked = run_fulmen("studies", "stop", "runs/c")
    directory.close()

    assert (refused.status, asked.status) == (2, 0)
    assert "no process is working on this search" in refused.stderr
    assert Path("runs/c/stop").exists()
    assert run_fulmen("studies", "list").stdout.splitlines()[2].startswith("runs/c: interrupted, 0 done")


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_an_exported_table_has_every_candidate(searches, run_fulmen, ending):
    ran = run_fulmen("studies", "export", "runs/a", f"out.{ending}")

    assert ran.status == 0, ran.stderr
    read = {
        "csv": pd.read_csv,
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.read_json(path, lines=True),
    }
    table = read[ending](f"out.{ending}")
    assert list(table["candidate"]) == list(range(12))
    assert table["objective.f1"][11] == pytest.approx(0.775)
    assert table["failure"][5].startswith("[red]boom")
    assert json.loads(table["t"][3]) == [1, 3]
    again = run_fulmen("studies", "export", "runs/b", f"out.{ending}")
    assert again.status == 2
    assert again.stderr == f"error: out.{ending}: exists; give another name.\n"


def test_a_line_of_json_has_null_where_there_is_no_number(tmp_path):
    told = [Told(Candidate(0, {"lr": 0.1}), Evaluation({"f1": math.nan}, status="nan", failure="f1"), 1.0)]

    export(told, [Objective("f1", "max", {})], tmp_path / "all.jsonl")

    (line,) = (tmp_path / "all.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail)["objective.f1"] is None


def test_optuna_reads_the_exported_study(searches, run_fulmen):
    optuna = pytest.importorskip("optuna")

    ran = run_fulmen("studies", "export", "runs/a", "out.db")

    assert (ran.status, ran.stderr) == (0, "")
    study = optuna.load_study(study_name="a", storage="sqlite:///out.db")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert len(study.trials) == 12
    assert study.trials[5].state.name == "FAIL"
    assert study.trials[3].values == [pytest.approx(0.575), pytest.approx(1.5)]
    assert study.trials[3].params["model.init_args.lr"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "no command 'lst'; there are list, show"),
        (["show"], "studies show: nothing is given; expected `fulmen studies show RUN`."),
        (["watch"], "studies watch: nothing is given; expected `fulmen studies watch RUN`."),
        (["show", "a", "b"], "studies show: 2 words are given; expected `fulmen studies show RUN`."),
        (["show", "nowhere"], "nowhere: holds no study"),
        (["list", "nowhere"], "nowhere: holds no search"),
        (["export", "runs/a", "x.xlsx"], "a name that ends in .csv, .parquet, .jsonl, .db is expected"),
        (
            ["compare", "runs/a"],
            "studies compare: 1 word is given; expected `fulmen studies compare RUN RUN ...`.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(searches, run_fulmen, words, said):
    ran = run_fulmen("studies", *words)

    assert ran.status == 2
    assert said in ran.stderr


def test_searches_of_other_objectives_cannot_be_compared(searches, run_fulmen):
    config = yaml.safe_load(Path("runs/b/config.yaml").read_text())
    config["objectives"][0]["mode"] = "min"
    Path("runs/b/config.yaml").write_text(yaml.safe_dump(config))

    assert "has other objectives" in run_fulmen("studies", "compare", "runs/a", "runs/b").stderr


def test_it_imports_neither_torch_nor_lightning(searches):
    code = (
        "import sys; from fulmen.__main__ import main; main(['studies', 'list', 'runs']);"
        "print({'torch', 'lightning'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=searches)

    assert said.stdout.splitlines()[-1] == "set()"
