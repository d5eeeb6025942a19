"""The generators compute the equations they name, and their truths are true."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fulmen_attention_granger.opponents.spike_regression import spike_regression
from fulmen_attention_granger.opponents.var_granger import var_granger
from fulmen_attention_granger.recordings import RecordingError
from fulmen_attention_granger.scoring import auroc, false_positive_rate
from fulmen_attention_granger.systems import izhikevich, linear_var, lorenz96, nonlinear_var, nulls
from fulmen_attention_granger.systems.connectome import read_wiring
from fulmen_attention_granger.systems.observation import add_noise, calcium, lose
from fulmen_attention_granger.systems.recorded import (
    common_driver,
    coupled_henon,
    hidden_drivers,
    linear_autoregression,
    lorenz_96,
    nonlinear_autoregression,
    unconnected,
)
from fulmen_attention_granger.systems.recorded_networks import graded_network, spiking_network

SYSTEMS = {
    "spiking_network": lambda seed: spiking_network(6, 0.3, 300, seed=seed),
    "graded_network": lambda seed: graded_network(6, 0.3, 300, seed=seed),
    "lorenz96": lambda seed: lorenz_96(6, 200, seed=seed),
    "linear_var": lambda seed: linear_autoregression(6, 200, seed=seed),
    "henon": lambda seed: coupled_henon(5, 200, seed=seed),
    "nonlinear_var": lambda seed: nonlinear_autoregression(6, 200, 0.3, seed=seed),
    "unconnected": lambda seed: unconnected(6, 200, "shifting", seed=seed),
    "common_driver": lambda seed: common_driver(5, 200, seed=seed),
    "hidden_drivers": lambda seed: hidden_drivers(8, 200, seed=seed),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_seed_fixes_everything_and_another_one_changes_it(name):
    first, again, other = (SYSTEMS[name](seed) for seed in (3, 3, 4))

    assert np.array_equal(first.trials[0], again.trials[0])
    assert np.array_equal(first.graph, again.graph)
    assert not np.array_equal(first.trials[0], other.trials[0])
    assert np.isfinite(first.trials[0]).all()
    assert first.graph.dtype == bool
    assert not first.graph.diagonal().any()
    assert first.graph.shape == (len(first.names),) * 2 == (first.trials[0].shape[1],) * 2


def test_spiking_neurons_follow_the_papers_equations():
    """Against the equations of the paper's script, written once more, row by row."""
    inhibitory = np.array([False, False, False, True])
    cells = izhikevich.draw_neurons(inhibitory, seed=1)
    synapses = 5.0 * np.array([[0, 1, 0, -1], [1, 0, 0, 0], [1, 1, 0, -1], [0, 0, 1, 0]])
    found = izhikevich.simulate(cells, synapses, 600, seed=2)

    noise = izhikevich.stream(2, "izhikevich", "input").standard_normal((600, 4))
    v, u = np.full(4, -65.0), -0.1 * np.full(4, -65.0)
    spikes = 0
    for t in range(600):
        fired = v >= 30
        spikes += fired.sum()
        v, u = np.where(fired, cells.c, v), u + cells.d * fired
        current = 5 + np.sqrt(5) * noise[t] + synapses @ fired
        for _ in range(2):
            v = v + 0.5 * (0.04 * v**2 + 4.1 * v + 108 - u + current)
        u = u + cells.a * (cells.b * v - u)
        assert np.allclose(found[t], np.minimum(v, 30), rtol=0, atol=1e-6)
    assert spikes > 20


def test_the_parameters_of_neurons_are_the_papers():
    cells = izhikevich.draw_neurons(np.arange(1000) >= 800, seed=0)

    assert set(cells.a[:800]) == {0.02}
    assert (cells.a[800:] >= 0.02).all()
    assert (cells.a[800:] <= 0.1).all()
    assert set(cells.d[800:]) == {2.0}
    assert np.allclose(cells.c[:800], -65 + 15 * (8 - cells.d[:800]) / 6)


@pytest.mark.parametrize(("density", "low", "high"), [(0.2, 100, 250), (0.8, 100, 300)])
def test_neurons_fire_as_often_as_in_the_authors_files(density, low, high):
    x = spiking_network(20, density, seed=0).trials[0]

    assert low <= (x >= 30).sum() / 20 <= high


def test_lorenz96_is_the_flow_of_its_equations():
    """Before chaos tells two integrators apart, against scipy's."""
    x = lorenz96._run(np.linspace(-1, 1, 6), 8, 10.0, 0.1 / lorenz96.STEPS)

    def slope(_, state):
        return (np.roll(state, -1) - np.roll(state, 2)) * np.roll(state, 1) - state + 10.0

    exact = solve_ivp(slope, (0, 0.71), x[0], t_eval=np.arange(8) * 0.1, rtol=1e-11, atol=1e-11).y.T
    assert np.allclose(x, exact, atol=1e-6)


def test_the_graph_of_lorenz96_is_where_its_derivative_is_not_zero():
    state, graph = np.random.default_rng(0).normal(size=7), lorenz96.graph(7)
    out, moved = np.empty(7), np.empty(7)
    lorenz96._slope(state, 8.0, out)
    for source in range(7):
        lorenz96._slope(state + 0.1 * np.eye(7)[source], 8.0, moved)
        others = np.arange(7) != source
        assert np.array_equal(np.abs(moved - out)[others] > 1e-9, graph[others, source])


def test_linear_var_is_stable_and_its_innovations_are_what_was_drawn():
    coefficients = linear_var.draw_coefficients(10, 3, 2, seed=5)
    x = linear_var.simulate(coefficients, 4000, 0.1, seed=5)
    innovations = x[3:] - sum(x[3 - k : len(x) - k] @ coefficients[k - 1].T for k in (1, 2, 3))

    assert linear_var.spectral_radius(coefficients) <= 0.97
    assert ((coefficients[0] != 0).sum(axis=1) == 3).all()
    assert innovations.std() == pytest.approx(0.1, rel=0.02)
    assert abs(np.corrcoef(innovations[1:, 0], innovations[:-1, 0])[0, 1]) < 0.05


@pytest.mark.parametrize("system", ["linear_var", "spiking_network"])
def test_a_graph_that_switches_is_another_one_in_each_half(system):
    made = {
        "linear_var": lambda: linear_autoregression(8, 4000, switch=True, seed=1),
        "spiking_network": lambda: spiking_network(8, 0.3, 10000, switch=True, seed=1),
    }[system]()
    first, second = made.truths["graph_first_half"], made.truths["graph_second_half"]
    half = len(made.trials[0]) // 2
    test = {"linear_var": var_granger, "spiking_network": spike_regression}[system]
    early, late = test([made.trials[0][:half]]).score, test([made.trials[0][half:]]).score

    assert not np.array_equal(first, second)
    assert np.array_equal(made.graph, first | second)
    assert auroc(early, first) > 0.9 > auroc(early, second)
    assert auroc(late, second) > 0.9 > auroc(late, first)


def test_henon_maps_follow_their_equations():
    x = coupled_henon(4, 300, 0.3, seed=0).trials[0]
    drive = 0.15 * (x[1:-1, 0] + x[1:-1, 2]) + 0.7 * x[1:-1, 1]

    assert np.allclose(x[2:, 1], 1.4 - drive**2 + 0.3 * x[:-2, 1])
    assert np.allclose(x[2:, 0], 1.4 - x[1:-1, 0] ** 2 + 0.3 * x[:-2, 0])


def test_henon_maps_that_run_away_are_an_error_and_no_series():
    with pytest.raises(ValueError, match=r"coupling 3.0 the maps run away from each of 100 starts"):
        coupled_henon(15, 500, 3.0, seed=0)


def test_even_edges_of_the_nonlinear_var_are_there_but_not_linear():
    """Each edge moves its target's next value; the bump does so without a correlation."""
    graph = np.zeros((2, 2), dtype=bool)
    graph[1, 0] = True
    shapes = {}
    for seed in range(12):
        x = nonlinear_var.simulate(graph, 1, 4000, 0.5, seed)
        residual = x[1:, 1] - nonlinear_var.OWN * x[:-1, 1]
        cause = x[:-1, 0]
        linear = abs(np.corrcoef(residual, cause)[0, 1])
        even = abs(np.corrcoef(residual, np.exp(-(cause**2)))[0, 1])
        shapes["even" if even > linear else "odd"] = (linear, even)
    assert shapes["even"][0] < 0.06
    assert shapes["even"][1] > 0.4
    assert shapes["odd"][0] > 0.4


@pytest.mark.parametrize("kind", nulls.KINDS)
def test_unconnected_series_are_independent(kind):
    """Of the stationary kinds a calibrated test finds 5 %; the shifts are there to mislead it."""
    rates = []
    for seed in range(4):
        made = unconnected(10, 1000, kind, 0.9 if kind == "shifting" else 0.5, seed)
        assert not made.graph.any()
        rates.append(false_positive_rate(var_granger(made.trials).p_values, made.graph))

    assert 0.02 <= np.mean(rates) <= (0.2 if kind == "shifting" else 0.08)


def test_shifting_series_shift_and_grow_or_shrink():
    x = nulls.simulate("shifting", 6, 3000, 0.5, 0)
    steps = np.diff(x, axis=0)
    ratio = steps[-500:].std(axis=0) / steps[:500].std(axis=0)

    assert (np.maximum(ratio, 1 / ratio) > 1.8).all()
    assert {bool(grown) for grown in ratio > 1} == {True, False}


def test_hidden_drivers_confound_exactly_their_children():
    made = hidden_drivers(10, 1500, hidden=2, children=3, edges=0.2, seed=0)
    confounded = made.truths["confounded"]
    p = var_granger(made.trials).p_values

    assert np.array_equal(confounded, confounded.T)
    assert not (made.graph & confounded).any()
    assert 6 <= confounded.sum() <= 12
    neither = ~confounded & ~made.graph & ~np.eye(10, dtype=bool)
    assert (p[confounded] < 0.05).mean() > (p[neither] < 0.05).mean() + 0.2


def test_hidden_neurons_leave_the_graph_of_the_seen_and_name_the_confounded():
    whole = spiking_network(20, 0.3, 200, seed=3)
    part = spiking_network(20, 0.3, 200, hidden=0.2, seed=3)
    kept = [whole.names.index(name) for name in part.names]

    assert len(kept) == 16
    assert np.array_equal(part.trials[0], whole.trials[0][:, kept])
    assert np.array_equal(part.graph, whole.graph[np.ix_(kept, kept)])
    hidden = np.setdiff1d(np.arange(20), kept)
    parents = whole.graph[np.ix_(kept, hidden)]
    expected = (parents[:, None] & parents[None]).any(axis=2) & ~np.eye(16, dtype=bool)
    assert np.array_equal(part.truths["confounded"], expected)


def test_options_leave_the_wiring_as_it_is():
    graphs = [
        spiking_network(10, 0.3, samples, synapse=synapse, every=every, seed=1).graph
        for samples, synapse, every in ((100, 5.0, 1), (200, 2.0, 1), (200, 5.0, 4))
    ]

    assert all(np.array_equal(graph, graphs[0]) for graph in graphs)


def test_every_fourth_millisecond_and_its_interval():
    whole, part = (spiking_network(5, 0.3, 400, every=every, seed=1) for every in (1, 4))

    assert np.array_equal(part.trials[0], whole.trials[0][::4])
    assert part.interval == 4.0


def test_calcium_rises_by_one_with_a_spike_and_fades():
    potentials = np.full((300, 1), -60.0)
    potentials[50] = 30.0
    light = calcium(potentials, seed=0)[:, 0]

    assert abs(light[:50].mean()) < 0.05
    assert light[50:55].mean() == pytest.approx(np.exp(-np.arange(5) / 100).mean(), abs=0.15)
    assert light[145:155].mean() == pytest.approx(np.exp(-1), abs=0.1)


def test_noise_and_gaps_have_the_share_that_was_asked_for():
    trial = np.random.default_rng(0).normal(size=(5000, 3)) * [1, 10, 100]
    noisy, gappy = add_noise(trial, 0.5, seed=1), lose(trial, 0.3, seed=1)

    assert np.allclose(noisy.var(axis=0) / trial.var(axis=0), 2.0, rtol=0.1)
    assert np.isnan(gappy).mean() == pytest.approx(0.3, abs=0.02)
    assert np.array_equal(gappy[~np.isnan(gappy)], trial[~np.isnan(gappy)])


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        # The notes' figures of VAR-Granger on these systems, measured with another generator of the same
        # equations: .93, .78, .91, .88 (3 seeds), off the diagonal.
        (lambda seed: spiking_network(10, 0.2, seed=seed), 0.88, 0.96),
        (lambda seed: lorenz_96(20, 500, 40.0, seed=seed), 0.74, 0.82),
        (lambda seed: linear_autoregression(20, 500, seed=seed), 0.87, 0.94),
        (lambda seed: spiking_network(20, 0.2, seed=seed), 0.85, 0.93),
    ],
    ids=["spiking N10", "lorenz96 F40 T500", "linear_var T500", "spiking N20"],
)
def test_the_classical_test_scores_what_it_scores_elsewhere(make, low, high):
    scores = []
    for seed in range(8):
        made = make(seed)
        scores.append(auroc(var_granger(made.trials).score, made.graph))

    assert low <= np.mean(scores) <= high


@pytest.fixture
def worm_file(tmp_path):
    """Four neurons, a muscle, in cect's form: row sends, column receives."""
    nodes = ["AVAL", "DD1", "pm3", "MDL01", "AVBL", "I3"]
    synapses = np.zeros((6, 6))
    synapses[0, 1], synapses[0, 4], synapses[4, 0], synapses[1, 4], synapses[5, 0] = 9, 5, 7, 1, 3
    synapses[0, 3] = synapses[2, 0] = 50
    path = tmp_path / "worm.json"
    path.write_text(json.dumps({"nodes": nodes, "connections": {"Generic_CS": synapses.tolist()}}))
    return path


def test_the_worms_wiring_has_receivers_in_rows_and_neurons_alone(worm_file):
    wiring = read_wiring(4, worm_file)

    edges = {(wiring.names[s], wiring.names[t]) for t, s in np.argwhere(wiring.graph)}
    assert set(wiring.names) == {"AVAL", "DD1", "AVBL", "I3"}
    assert wiring.names[0] == "AVAL"
    assert edges == {("AVAL", "DD1"), ("AVAL", "AVBL"), ("AVBL", "AVAL"), ("I3", "AVAL")}
    assert dict(zip(wiring.names, wiring.inhibitory, strict=True))["DD1"]
    assert wiring.inhibitory.sum() == 1


def test_networks_live_on_the_worms_wiring(worm_file):
    spiking = spiking_network(4, samples=300, wiring="celegans", connectome=worm_file)
    graded = graded_network(4, samples=300, wiring="celegans", connectome=worm_file)

    assert spiking.names == graded.names == read_wiring(4, worm_file).names
    assert np.array_equal(spiking.graph, graded.graph)
    assert (spiking.truths["signs"][spiking.graph] < 0).sum() == 0  # DD1 reaches nobody twice


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "is not a connectome of cect"),
        ('{"nodes": ["AVAL"], "connections": {}}', "is not a connectome of cect"),
        ('{"nodes": ["A", "B"], "connections": {"Generic_CS": [[1]]}}', "2 nodes, but synapses of shape"),
        (None, "is no file; expected cect's"),
    ],
)
def test_a_connectome_that_is_none_is_refused(tmp_path, content, told):
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecordingError, match=told):
        read_wiring(2, path)


def test_more_neurons_than_the_worm_has_are_refused(worm_file):
    with pytest.raises(RecordingError, match="holds 4 neurons, 9 are asked for"):
        read_wiring(9, worm_file)
