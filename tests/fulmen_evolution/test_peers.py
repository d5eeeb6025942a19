"""Optuna's and pymoo's ways of searching, as searchers: they are theirs; mistakes are told in one line."""

from __future__ import annotations

import json

import pytest

import fulmen
from fulmen.errors import ConfigError, UserError

optuna = pytest.importorskip("optuna", reason="needs the extra 'optuna'")
pytest.importorskip("pymoo", reason="needs the extra 'pymoo'")

from fulmen_evolution.optuna_searcher import OptunaSearcher  # noqa: E402
from fulmen_evolution.pymoo_searcher import PymooSearcher  # noqa: E402

SPACE = {"lr": {"log": [1e-4, 1e-1]}, "op": [[1, 2], [3]], "depth": {"integer": [1, 12]}}
GOALS = {"accuracy": "max", "latency": "min"}
MAKERS = {"optuna": OptunaSearcher, "pymoo": PymooSearcher}


def evaluate(overlay):
    return {
        "accuracy": 1 / overlay["depth"] + overlay["lr"],
        "latency": overlay["depth"] * len(overlay["op"]),
    }


def test_optuna_asks_what_the_sampler_itself_would():
    searcher = OptunaSearcher(SPACE, GOALS, seed=3)
    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=optuna.samplers.TPESampler(seed=3)
    )
    for _ in range(25):
        candidate = searcher.ask()
        trial = study.ask()
        theirs = {
            "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
            "op": SPACE["op"][trial.suggest_categorical("op", [0, 1])],
            "depth": trial.suggest_int("depth", 1, 12),
        }
        assert candidate.overlay == theirs
        values = evaluate(theirs)
        searcher.tell(candidate, fulmen.Evaluation(values))
        study.tell(trial, [-values["accuracy"], values["latency"]])


def test_a_generation_of_pymoos_is_told_as_a_whole():
    searcher = PymooSearcher(SPACE, GOALS, options={"pop_size": 6})
    first = [searcher.ask() for _ in range(7)]

    assert first[6] is None
    for candidate in reversed(first[:6]):
        assert searcher.ask() is None
        searcher.tell(candidate, fulmen.Evaluation(evaluate(candidate.overlay)))
    assert searcher.ask().id == 6


def test_pymoo_learns():
    """Late generations are better than the first, which is random; failures are avoided."""
    searcher = PymooSearcher({"x": {"linear": [0, 1]}}, {"loss": "min"}, options={"pop_size": 10})
    values = []
    for _ in range(200):
        candidate = searcher.ask()
        x = candidate.overlay["x"]
        good = fulmen.Evaluation({"loss": (x - 0.3) ** 2})
        searcher.tell(candidate, good if x > 0.1 else fulmen.Evaluation(failure="it fell over"))
        values.append(x)

    assert sum(abs(x - 0.3) for x in values[-20:]) < 0.3 * sum(abs(x - 0.3) for x in values[:20])
    assert any(x <= 0.1 for x in values[:20])
    assert not any(x <= 0.1 for x in values[-50:])


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_told_twice_or_was_never_asked_for_is_refused_and_harms_nothing(name):
    searcher = MAKERS[name](SPACE, GOALS)
    candidate = searcher.ask()
    result = fulmen.Evaluation(evaluate(candidate.overlay))
    searcher.tell(candidate, result)

    with pytest.raises(UserError, match="candidate 0 was told already; expected one in flight"):
        searcher.tell(candidate, result)
    with pytest.raises(UserError, match="candidate 7 was never asked for"):
        searcher.tell(fulmen.Candidate(7, {}), result)
    again = MAKERS[name](SPACE, GOALS)
    again.load_state_dict(searcher.state_dict())
    assert again.ask() == searcher.ask()
    with pytest.raises(UserError, match="candidate 0 was told already"):
        again.tell(candidate, result)


def test_a_sampler_that_has_tried_all_there_is_asks_for_no_more():
    searcher = OptunaSearcher({"a": [0, 1], "b": [0, 1, 2]}, {"loss": "min"}, sampler="BruteForceSampler")
    asked = []
    while (candidate := searcher.ask()) is not None:
        asked.append(tuple(candidate.overlay.values()))
        searcher.tell(candidate, fulmen.Evaluation({"loss": 1.0}))

    assert sorted(asked) == [(a, b) for a in (0, 1) for b in (0, 1, 2)]
    again = OptunaSearcher({"a": [0, 1], "b": [0, 1, 2]}, {"loss": "min"}, sampler="BruteForceSampler")
    again.load_state_dict(searcher.state_dict())
    assert again.ask() is None


def test_a_sampler_that_does_not_know_such_a_space_is_refused_when_it_is_asked():
    searcher = OptunaSearcher(SPACE, {"loss": "min"}, sampler="BruteForceSampler")

    with pytest.raises(
        ConfigError, match=r"^searcher: sampler BruteForceSampler: .*step.*; choose another\.$"
    ):
        searcher.ask()


@pytest.mark.parametrize("name", MAKERS)
def test_another_library_that_asks_otherwise_is_noticed(name):
    searcher = MAKERS[name](SPACE, GOALS)
    for _ in range(3):
        candidate = searcher.ask()
        searcher.tell(candidate, fulmen.Evaluation(evaluate(candidate.overlay)))
    state = searcher.state_dict()
    state["log"][0] = json.dumps([0.5, [3], 1])

    with pytest.raises(ConfigError, match=f"{name} does not ask again what it asked as candidate 0"):
        MAKERS[name](SPACE, GOALS).load_state_dict(state)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("optuna", {"sampler": "TPSampler"}, "optuna.samplers has no TPSampler; did you mean TPESampler"),
        ("optuna", {"sampler": "nowhere.Sampler"}, "nowhere.Sampler cannot be imported"),
        ("optuna", {"options": {"populatoin": 3}}, "sampler TPESampler: .*populatoin"),
        ("pymoo", {"algorithm": "nsga2.NSGA"}, r"pymoo.algorithms.moo.nsga2 has no NSGA; did you mean NSGA"),
        ("pymoo", {"algorithm": "nsga7.NSGA7"}, "nsga7.NSGA7 cannot be imported"),
        ("optuna", {"objectives": [{"name": "a", "mode": "max", "bound": 0.9}]}, "objective a has a bound"),
        ("pymoo", {"objectives": None}, "objectives are missing"),
        ("pymoo", {"options": {"popsize": 20}}, "no option 'popsize'; did you mean pop_size?"),
        (
            "pymoo",
            {"options": {"pop_size": "two"}},
            "pop_size: expected a whole number, 2 or more, got 'two'",
        ),
        ("pymoo", {"space": {"x": {"linear": [1, 0]}}}, "x: the range"),
        ("optuna", {"seed": -1}, "seed is -1; expected 0 or more"),
    ],
)
def test_bad_options_are_refused_in_one_line(name, options, said):
    with pytest.raises(ConfigError, match=said) as caught:
        MAKERS[name](**{"space": SPACE, "objectives": GOALS, **options})

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", MAKERS)
def test_without_the_library_one_line_names_the_extra(name, monkeypatch):
    import sys

    for module in [m for m in sys.modules if m.split(".")[0] == name]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)

    with pytest.raises(UserError, match=rf"needs the extra '{name}': pip install 'fulmen\[{name}\]'"):
        MAKERS[name](SPACE, GOALS)
