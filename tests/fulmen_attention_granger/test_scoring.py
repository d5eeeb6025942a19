"""Scores against scikit-learn, scipy and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from fulmen_attention_granger.method_rows import method_row, opponent_row
from fulmen_attention_granger.opponents.result import OpponentResult
from fulmen_attention_granger.score_intervals import GRID, over_targets
from fulmen_attention_granger.scoring import (
    auprc,
    auroc,
    benjamini_hochberg,
    false_positive_rate,
    pairs,
    precision_recall,
    roc,
    selection,
)


def example(seed, size=9, levels=None):
    generator = np.random.default_rng(seed)
    graph = generator.random((size, size)) < 0.3
    np.fill_diagonal(graph, False)
    score = generator.standard_normal((size, size)) + graph
    return (score if levels is None else np.round(score * levels) / levels), graph


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("levels", [None, 2], ids=["no ties", "ties"])
@pytest.mark.parametrize("seed", range(5))
def test_areas_are_scikit_learns(seed, levels, diagonal):
    score, graph = example(seed, levels=levels)
    mask = np.ones_like(graph) if diagonal else ~np.eye(len(graph), dtype=bool)
    true, scored = graph[mask], score[mask]

    assert auroc(score, graph, diagonal) == pytest.approx(metrics.roc_auc_score(true, scored))
    assert auprc(score, graph, diagonal) == pytest.approx(metrics.average_precision_score(true, scored))


@pytest.mark.parametrize("seed", range(3))
def test_curves_are_scikit_learns(seed):
    score, graph = example(seed, levels=3)
    mask = pairs(graph)
    false_rate, true_rate, _ = metrics.roc_curve(graph[mask], score[mask], drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(graph[mask], score[mask])
    curve, pr = roc(score, graph), precision_recall(score, graph)

    assert np.allclose(curve.x, false_rate)
    assert np.allclose(curve.y, true_rate)
    assert np.allclose(pr.x[::-1], recall[:-1])
    assert np.allclose(pr.y[::-1], precision[:-1])
    assert curve.area == auroc(score, graph)


def test_the_diagonal_flatters_and_does_not_count_unless_asked():
    score, graph = example(0)
    np.fill_diagonal(score, score.min() - 1)
    before = auroc(score, graph)
    flattered = auroc(score, graph, diagonal=True)
    np.fill_diagonal(score, 1e9)

    assert flattered > before
    assert auroc(score, graph) == before


@pytest.mark.parametrize(("fill", "area"), [(False, np.nan), (True, np.nan)])
def test_a_graph_of_one_kind_has_no_auroc(fill, area):
    graph = np.full((4, 4), fill)
    assert np.isnan(auroc(np.random.default_rng(0).random((4, 4)), graph))


def test_scores_that_are_nan_or_of_another_shape_are_errors():
    with pytest.raises(ValueError, match="1 scored pairs are NaN"):
        auroc(np.array([[0, np.nan], [1, 0]]), np.eye(2, dtype=bool)[::-1])
    with pytest.raises(ValueError, match=r"shape \(2, 2\), the graph \(3, 3\)"):
        auroc(np.zeros((2, 2)), np.zeros((3, 3)))


def test_a_selection_by_hand():
    graph = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    chosen = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]], dtype=bool)  # x0 <- x1 right, x2 <- x1 reversed
    made = selection(chosen, graph)

    assert (made.chosen, made.true, made.false, made.missed) == (2, 1, 1, 1)
    assert (made.fdr, made.power, made.shd) == (0.5, 0.5, 2)


def test_nothing_chosen_and_nothing_to_choose():
    empty = np.zeros((3, 3), dtype=bool)
    made = selection(empty, empty)

    assert (made.fdr, made.shd) == (0.0, 0)
    assert np.isnan(made.power)


@pytest.mark.parametrize("seed", range(3))
def test_q_values_are_scipys(seed):
    p = np.random.default_rng(seed).random((6, 6)) ** 3
    mask = pairs(p)
    q = benjamini_hochberg(p)

    assert np.allclose(q[mask], stats.false_discovery_control(p[mask], method="bh"))
    assert np.isnan(q.diagonal()).all()


def test_the_false_positive_rate_looks_at_pairs_without_an_edge():
    p = np.array([[0, 0.01, 0.5], [0.04, 0, 0.2], [0.001, 0.9, 0]])
    graph = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)

    assert false_positive_rate(p, graph) == pytest.approx(2 / 5)


def test_intervals_over_targets_hold_the_score_and_shrink_with_the_network():
    widths = []
    for size in (8, 40):
        score, graph = example(1, size)
        found = over_targets(score, graph)
        for (low, high), measure in ((found.auroc, auroc), (found.auprc, auprc)):
            assert low < measure(score, graph) < high
        curve = roc(score, graph)
        rates = np.interp(GRID, curve.x, curve.y)
        assert (rates >= found.roc[0] - 0.05).all()
        assert (rates <= found.roc[1] + 0.05).all()
        assert (found.precision[0] <= found.precision[1]).all()
        widths.append(found.auroc[1] - found.auroc[0])
    assert widths[1] < widths[0] / 2
    assert over_targets(score, graph).auroc == found.auroc


def test_where_few_draws_hold_an_edge_no_interval_is_given():
    graph = np.zeros((6, 6), dtype=bool)
    graph[0, 1] = graph[1, 2] = True
    few = graph & (np.arange(6) == 1)

    assert np.isfinite(over_targets(graph + 0.0, graph).auroc).all()
    assert np.isnan(over_targets(few + 0.0, few & False).auroc).all()


def test_a_row_of_methods_says_what_it_has_and_leaves_the_rest_empty():
    score, graph = example(2)
    p = np.where(graph, 1e-6, 0.5)
    with_p = opponent_row(OpponentResult("m", "t", score, p, 1.5, 2), graph, 0.1)
    stopped = opponent_row(OpponentResult("m", "t", None, None, 60.0, 0, "not finished in 60 s"), graph, 0.1)

    assert (with_p["shd"], with_p["fdr"], with_p["power"], with_p["seconds"]) == (0.0, 0.0, 1.0, 1.5)
    assert with_p["auroc"] == auroc(score, graph)
    assert with_p["auroc_diagonal"] == auroc(score, graph, diagonal=True)
    assert np.isnan(stopped["auroc"])
    assert stopped["note"] == "not finished in 60 s"
    assert np.isnan(method_row("m", "t", score, None, graph, 0.0)["shd"])
