"""The accuracy that the documentation promises is the one that was measured and kept."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def table(repository):
    kept = json.loads((repository / "benchmarks/results/wot_digits.json").read_text())
    assert len({row["seed"] for row in kept["rows"]}) >= 10
    return {line["training"]: line for line in kept["table"]}


@pytest.mark.parametrize("mode", ["throttle", "hinge"])
@pytest.mark.parametrize("layout", ["interleaved", "paper"])
def test_wot_costs_less_than_half_a_point(table, mode, layout):
    line = table[f"wot {mode} {layout}"]
    assert line["minus_float"] > -0.5
    assert line["minus_qat"] > -0.3
    assert line["minus_qat"] - line["half_width_minus_qat"] > -0.5
    assert line["large_at_end"] == 0


def test_without_it_large_weights_stay_and_clamping_them_afterwards_costs_more(table):
    assert table["qat"]["large_at_end"] > 1000
    assert table["qat, clamped at the end"]["mean"] < table["wot throttle paper"]["mean"] - 0.3


def test_the_docs_show_what_was_measured(table, repository):
    page = (repository / "docs/plugins/zero_space_ecc.md").read_text()
    for name in ("throttle", "hinge", "admm"):
        line = table[f"wot {name} interleaved"]
        label = "ADMM" if name == "admm" else name
        assert f"| `wot`, {label}, interleaved | {line['mean']:.2f} ± {line['std']:.2f} |" in page


@pytest.mark.parametrize("variant", ["velocity", "channel"])
def test_the_variants_cost_no_more(table, variant):
    line = table[f"wot {variant} interleaved"]
    assert line["minus_qat"] > -0.3
    assert line["large_at_end"] == 0


def test_admm_leaves_weights_outside_and_costs_more(table):
    admm, throttle = table["wot admm interleaved"], table["wot throttle interleaved"]
    assert admm["large_at_end"] > 50
    assert admm["mean"] < throttle["mean"]
