"""The analyzer `split_parallel.redundancy`, the planner: does splitting pay, and how?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import fulmen
from fulmen.errors import ConfigError, DataError, UserError
from fulmen_split_parallel import redundancy_charts
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.make import METHODS, require_options
from fulmen_split_parallel.planning.errors import PlanError
from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.rates import RATES, Rates, require_known
from fulmen_split_parallel.planning.recommendation import Recommendation, fastest, recommend
from fulmen_split_parallel.planning.steps import StepWork
from fulmen_split_parallel.planning.table import COLUMNS, layer_rows, table_row
from fulmen_split_parallel.redundancy_pieces import Bench, count_steps, find_rates, make_partition
from fulmen_split_parallel.sampling.samplers import SAMPLERS

if TYPE_CHECKING:
    import pandas as pd

OWNER = "redundancy"
_PIECE = 5  # mini-batches a piece of work


class Redundancy(fulmen.Analyzer):
    """Counts what data parallelism computes twice, and says whether splitting pays.

    Needs data of ``split_parallel.graph`` and neither model nor training. For each number of ranks it
    draws the mini-batches that a run would draw and counts, rank by rank, the feature rows and edges of
    data parallel and split, and the rows that cross ranks; then it predicts the seconds of a step from
    rates measured on this machine or given for another. Any number of ranks is counted on one machine.

    Args:
        parts: Numbers of ranks.
        partitioners: ``restreaming``, ``metis``, ``hash``, or files with a map (see the strategy).
        samplers: ``neighbour``, ``labor``; None: both. Recommended is for the data's own.
        batches: Mini-batches of the first epoch that are counted, at most.
        presample_epochs: As of the strategy.
        network: ``sage`` or ``gat``: what the predicted seconds are for.
        hidden: Width of its hidden rows.
        heads: Of ``gat``.
        rates: Of other hardware, by name: ``sample`` (edges/s), ``load`` (bytes/s), ``multiply`` (flop/s),
            ``aggregate`` (bytes/s), ``layer_seconds``, ``link_latency`` (s), ``link_bandwidth``
            (bytes/s). Those left out are measured here, on one thread, which makes another report each
            time.

    Raises:
        UserError: an option makes no sense; there is no data with a graph; a map does not fit it.

    Reports table ``redundancy``, one row for each sampler, number of parts and partitioner: counts and
    seconds are sums over the mini-batches; table ``layers``, rows and bytes that cross ranks in each
    layer; table ``rates``.
    """

    def __init__(
        self,
        parts: list[int] = [2, 4, 8],  # noqa: B006  (never changed)
        partitioners: list[str] = ["restreaming", "hash"],  # noqa: B006
        samplers: list[Literal["neighbour", "labor"]] | None = None,
        batches: int = 10,
        presample_epochs: int = 2,
        network: Literal["sage", "gat"] = "sage",
        hidden: int = 256,
        heads: int = 4,
        rates: dict[str, float] | None = None,
    ) -> None:
        for name, values in (("parts", parts), ("partitioners", partitioners), ("samplers", samplers)):
            if values is not None and (not values or len(set(values)) < len(values)):
                raise ConfigError(f"{OWNER}: {name} is {values}; expected one or more, each once: change it.")
        for name, value, least in (("batches", batches, 1), ("presample_epochs", presample_epochs, 0)):
            if value < least:
                raise ConfigError(f"{OWNER}: {name} is {value}; expected {least} or more: change it.")
        self.parts, self.partitioners, self.samplers = sorted(parts), list(partitioners), samplers
        self.batches, self.presample_epochs = batches, presample_epochs
        self.network, self.hidden, self.heads = network, hidden, heads
        self.rates = {} if rates is None else {name: float(rate) for name, rate in rates.items()}
        try:
            require_known(self.rates)
            Rates(**{**dict.fromkeys(RATES, 1.0), **self.rates})
            NetworkShape.of(network, 1, hidden, 1, 2, heads)
        except PlanError as error:
            raise ConfigError(f"{OWNER}: {error}.") from error

    def analyze(self, context: fulmen.AnalysisContext) -> fulmen.Report:
        """Count, predict and recommend."""
        data = _data(context.datamodule)
        graph = data.graph
        samplers = [data.sampler_name, *(name for name in SAMPLERS if name != data.sampler_name)]
        samplers = [name for name in samplers if self.samplers is None or name in self.samplers]
        self._refuse(graph, data)
        shape = NetworkShape.of(
            self.network, graph.num_features, self.hidden, graph.num_classes, len(data.fanouts), self.heads
        )
        setup = (Bench, (str(_folder(graph)), self._recipe(graph, data)))
        works = self._works(context, setup, samplers, -(-len(graph.train_idx) // data.batch_size))
        item = {
            "sampler": samplers[0],
            "shape": {**asdict(shape), "widths": list(shape.widths)},
            "device": str(context.device),
            "given": self.rates,
        }
        rates = Rates(**context.map(find_rates, [item], "rates", setup=setup)[0])
        feature_bytes = graph.num_features * graph.features.dtype.itemsize
        rows, layers = [], []
        for (sampler, parts), (alone, split) in works.items():
            for name, work in split.items():
                rows.append(table_row(sampler, parts, name, alone, work, shape, rates, feature_bytes))
                layers.extend(layer_rows(sampler, parts, name, work, shape))
        return self._report(data, rows, layers, rates, samplers[0])

    def _refuse(self, graph: Graph, data: GraphData) -> None:
        if not len(graph.train_idx):
            raise DataError(f"{OWNER}: the graph has no training vertices; expected some to draw from.")
        try:
            for parts in self.parts:
                for method in self.partitioners:
                    require_options(
                        graph, method, parts, data.batch_size, self.presample_epochs, data.sampler_name
                    )
        except PartitionError as error:
            raise ConfigError(f"{OWNER}: {error}.") from error

    def _recipe(self, graph: Graph, data: GraphData) -> dict[str, Any]:
        name = hashlib.blake2b(graph.fingerprint().encode(), digest_size=16)
        name.update(np.ascontiguousarray(graph.train_idx).tobytes())
        return {
            "fanouts": list(data.fanouts),
            "batch_size": data.batch_size,
            "seed": data.seed,
            "presample_epochs": self.presample_epochs,
            "graph": name.hexdigest(),
        }

    def _works(
        self, context: fulmen.AnalysisContext, setup: Any, samplers: Sequence[str], batches: int
    ) -> dict[tuple[str, int], tuple[list[StepWork], dict[str, list[StepWork]]]]:
        """Return by sampler and parts the works of data parallel, and split by each partitioner."""
        folder, names = str(context.run_dir / "partitions"), _names(self.partitioners)
        wanted: list[dict[str, Any]] = [
            {"sampler": sampler, "method": method, "parts": parts, "folder": folder}
            for sampler in samplers
            for parts in self.parts
            for method in self.partitioners
        ]
        files = context.map(make_partition, wanted, "partitions", setup=setup)
        count = min(self.batches, batches)
        pieces: list[dict[str, Any]] = []
        for sampler in samplers:
            for parts in self.parts:
                partitions = {
                    names[item["method"]]: file
                    for item, file in zip(wanted, files, strict=True)
                    if (item["sampler"], item["parts"]) == (sampler, parts)
                }
                pieces += [
                    {
                        "sampler": sampler,
                        "parts": parts,
                        "partitions": partitions,
                        "first": first,
                        "count": min(_PIECE, count - first),
                    }
                    for first in range(0, count, _PIECE)
                ]
        works: dict[tuple[str, int], tuple[list[StepWork], dict[str, list[StepWork]]]] = {}
        for piece, found in zip(
            pieces, context.map(count_steps, pieces, "mini-batches", setup=setup), strict=True
        ):
            alone, split = works.setdefault((piece["sampler"], piece["parts"]), ([], {}))
            alone += map(StepWork.from_plain, found["data_parallel"])
            for name in names.values():  # kept pieces have their keys in another order
                split.setdefault(name, []).extend(map(StepWork.from_plain, found["split"][name]))
        return works

    def _report(
        self,
        data: GraphData,
        rows: list[dict[str, Any]],
        layers: list[dict[str, Any]],
        rates: Rates,
        sampler: str,
    ) -> fulmen.Report:
        import pandas as pd

        table = pd.DataFrame(rows, columns=list(COLUMNS))
        batches = min(self.batches, -(-len(data.graph.train_idx) // data.batch_size))
        each = recommend(rows, sampler)
        best = fastest(rows, sampler)
        scalars = {"mini_batches": float(batches), "recommended_parts": float(best.parts)}
        for one in each:
            scalars[f"predicted_gain/{one.parts}"] = one.gain
        for row in rows:
            if (
                row["sampler"] == sampler
                and row["partitioner"] == _names(self.partitioners)[self.partitioners[0]]
            ):
                scalars[f"row_redundancy/{row['parts']}"] = row["row_redundancy"]
                scalars[f"edge_redundancy/{row['parts']}"] = row["edge_redundancy"]
        return fulmen.Report(
            title=f"Redundancy of data parallelism: {_told(data)}",
            scalars=scalars,
            tables={"redundancy": table, "layers": pd.DataFrame(layers), "rates": self._rates_table(rates)},
            figures={
                "redundancy": redundancy_charts.redundancy(rows),
                "seconds": redundancy_charts.seconds(rows, sampler, batches),
            },
            findings=_findings(rows, each, best, self, sampler, batches),
        )

    def _rates_table(self, rates: Rates) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(
            [
                {"rate": name, "value": value, "from": "given" if name in self.rates else "measured here"}
                for name, value in vars(rates).items()
            ]
        )


def _data(datamodule: Any) -> GraphData:
    if datamodule is None:
        raise UserError(f"{OWNER}: no data to plan for; set --data split_parallel.graph --data.path ...")
    if not isinstance(datamodule, GraphData):
        raise UserError(
            f"{OWNER}: data {type(datamodule).__name__} has no graph; expected split_parallel.graph: name it."
        )
    datamodule.prepare_data()
    datamodule.setup()
    return datamodule


def _folder(graph: Graph) -> Path:
    """Return the folder that a graph is mapped from."""
    mapped = graph.indptr
    assert isinstance(mapped, np.memmap), "GraphData maps its graphs"
    return Path(str(mapped.filename)).parent


def _names(methods: Sequence[str]) -> dict[str, str]:
    """Return what tables call partitioners: files by their names, those of one name by their paths."""
    short = {method: method if method in METHODS else Path(method).name for method in methods}
    named = list(short.values())
    return {method: name if named.count(name) == 1 else method for method, name in short.items()}


def _told(data: GraphData) -> str:
    graph = data.graph
    fanouts = "/".join(map(str, data.fanouts))
    size = f"{graph.num_vertices:,} vertices, {graph.num_edges:,} edges"
    return f"{size}, batch {data.batch_size}, fan-outs {fanouts}"


def _findings(
    rows: list[dict[str, Any]],
    each: list[Recommendation],
    best: Recommendation,
    options: Redundancy,
    sampler: str,
    batches: int,
) -> list[str]:
    findings = []
    way = f"{best.way} on {best.parts} ranks"
    if best.way == "split parallel":
        way += f", partitioner {best.partitioner}: predicted {best.gain:.2f}x as fast as data parallel"
    findings.append(
        f"Recommended for {options.network} of width {options.hidden}, {sampler} sampling: {way}."
    )
    for one in each:
        row = next(
            row
            for row in rows
            if (row["sampler"], row["parts"], row["partitioner"]) == (sampler, one.parts, one.partitioner)
        )
        findings.append(
            f"{one.parts} ranks: data parallel loads {row['row_redundancy']:.2f}x the rows and computes "
            f"{row['edge_redundancy']:.2f}x the edges; split by {one.partitioner} "
            f"{row['shuffled_rows'] / max(1, row['split_rows']):.2f} rows cross for each row loaded, cut "
            f"{row['cut']:.3f}, imbalance {row['imbalance']:.2f}; predicted {one.gain:.2f}x: {one.way}."
        )
    labor = [row for row in rows if row["sampler"] == "labor"]
    neighbour = [row for row in rows if row["sampler"] == "neighbour"]
    if labor and neighbour:
        share = labor[0]["split_rows"] / max(1, neighbour[0]["split_rows"])
        findings.append(f"LABOR loads {share:.2f}x the rows of neighbour sampling, before anything is split.")
    findings.append(
        f"Counts are exact for the first {batches} mini-batches of the run with this seed; seconds are "
        "predictions from the rates in the table `rates`, without overlap of stages."
    )
    return findings
