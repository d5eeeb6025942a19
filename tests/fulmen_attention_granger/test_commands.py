"""The commands as a user types them, and the data under their short names."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from fulmen_attention_granger.reading.files import read_files
from fulmen_attention_granger.systems.recorded_networks import spiking_network

NETWORK = ("--data", "spiking_network", "--data.neurons=4", "--data.samples=800", "--data.density=0.4")


def test_simulate_writes_what_time_series_reads(run_fulmen, tmp_path):
    ran = run_fulmen("attention_granger", "simulate", "net.npz", *NETWORK, "--data.seed=3")
    made = spiking_network(4, 0.4, 800, seed=3)
    read = read_files([tmp_path / "net.npz"])

    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == f"net.npz: 4 variables, 800 rows, {made.graph.sum()} edges\n"
    assert np.array_equal(read.trials[0], made.trials[0])
    assert np.array_equal(read.graph, made.graph)


def test_opponents_score_a_file_with_a_truth(run_fulmen, tmp_path):
    run_fulmen("attention_granger", "simulate", "net.npz", *NETWORK)
    ran = run_fulmen(
        *("attention_granger", "opponents", "--data", "time_series", "--data.path=net.npz", "--to=table.csv"),
        *("--methods=[var_granger,spike_regression]", "--seconds=100"),
    )
    with (tmp_path / "table.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}

    assert ran.status == 0, ran.stderr
    assert list(rows) == ["var_granger", "spike_regression"]
    assert {"test", "auroc", "auprc", "shd", "fdr", "power", "auroc_diagonal", "seconds"} <= set(
        rows["var_granger"]
    )
    assert f"{float(rows['spike_regression']['auroc']):.3f}" in ran.stdout


def test_opponents_without_a_truth_say_what_they_find(run_fulmen, tmp_path):
    x = np.random.default_rng(0).standard_normal((200, 3))
    x[1:, 2] += x[:-1, 0]
    np.save(tmp_path / "a.npy", x)
    ran = run_fulmen(
        *("attention_granger", "opponents", "--data", "time_series", "--data.path=a.npy"),
        *("--methods=[var_granger,slarac]", "--seconds=100", "--to=pairs.csv"),
    )
    with (tmp_path / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert ran.status == 0, ran.stderr
    assert "x0 to x2" in ran.stdout
    assert "auroc" not in ran.stdout
    assert [row["method"] for row in rows] == ["var_granger"] * 6 + ["slarac"] * 6
    found = min((row for row in rows if row["q_value"]), key=lambda row: float(row["q_value"]))
    assert (found["source"], found["target"]) == ("x0", "x2")
    assert float(found["q_value"]) < 1e-6


WRONG = {
    "no data": (("simulate", "a.npz"), "simulate: no data is named; expected --data NAME"),
    "no npz": (("simulate", "a.csv", *NETWORK), "simulate: to is 'a.csv'; expected a file that ends in .npz"),
    "an unknown data": (
        ("simulate", "a.npz", "--data=lorenz97"),
        "no data is called 'lorenz97'; did you mean",
    ),
    "an option out of range": (
        ("simulate", "a.npz", "--data=lorenz96", "--data.variables=3"),
        "variables is 3; expected 4",
    ),
    "a missing file": (
        ("opponents", "--data=time_series", "--data.path=no.csv"),
        "no.csv: does not exist; expected a file that ends in",
    ),
    "no time": (("opponents", *NETWORK, "--seconds=0"), "seconds is 0"),
    "a method that refuses": (
        ("opponents", "--data=unconnected", "--data.samples=12", "--methods=[slarac]"),
        "slarac: 9 rows without gaps for",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_and_status_2(run_fulmen, case):
    arguments, told = WRONG[case]
    ran = run_fulmen("attention_granger", *arguments)

    assert ran.status == 2
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_trials_of_different_lengths_are_not_cut_to_fit(run_fulmen, tmp_path):
    for length in (50, 60):
        np.save(tmp_path / f"{length}.npy", np.random.default_rng(length).standard_normal((length, 2)))
    ran = run_fulmen(
        *("attention_granger", "simulate", "a.npz", "--data", "time_series", "--data.path=[50.npy, 60.npy]")
    )

    assert ran.status == 2
    assert "trials of 50 to 60 rows do not fit into one array" in ran.stderr
