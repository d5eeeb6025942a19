"""What fulmen_split_parallel offers: names alone, so that listing it costs nothing."""

from __future__ import annotations

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the strategy, the data, the models, the callbacks and the analyzer."""
    return [
        fulmen.Component(
            kind="strategy",
            name="split_parallel",
            target="fulmen_split_parallel.strategy:SplitParallelStrategy",
            summary="Splits each mini-batch of a graph over the ranks: every vertex once, at its owner.",
        ),
        fulmen.Component(
            kind="data",
            name="graph",
            target="fulmen_split_parallel.graph_data:GraphData",
            summary="A graph in a folder, shipped or generated; sampled mini-batches for any strategy.",
        ),
        *(
            fulmen.Component(
                kind="graph", name=name, target=f"fulmen_split_parallel.{target}", summary=summary
            )
            for name, target, summary in _GRAPHS
        ),
        fulmen.Component(
            kind="model",
            name="sage",
            target="fulmen_split_parallel.models:SAGE",
            summary="GraphSAGE that classifies vertices, in one process, `ddp` or `split_parallel`.",
            extra="split_parallel",
        ),
        fulmen.Component(
            kind="model",
            name="gat",
            target="fulmen_split_parallel.models:GAT",
            summary="A graph attention network that classifies vertices, wherever it runs.",
            extra="split_parallel",
        ),
        fulmen.Component(
            kind="model",
            name="mlp",
            target="fulmen_split_parallel.models:MLP",
            summary="A perceptron on the features alone: what a graph network has to beat.",
            extra="split_parallel",
        ),
        fulmen.Component(
            kind="model",
            name="node_classifier",
            target="fulmen_split_parallel.models:NodeClassifier",
            summary="Classifies vertices with a network of yours, wherever it runs.",
            extra="split_parallel",
        ),
        fulmen.Component(
            kind="callback",
            name="counters",
            target="fulmen_split_parallel.counters:Counters",
            summary="Logs what each step of a graph network samples, loads, moves and takes.",
        ),
        fulmen.Component(
            kind="callback",
            name="predictions",
            target="fulmen_split_parallel.predictions:Predictions",
            summary="Writes what predict gives for each vertex, from all ranks, to one file.",
        ),
        fulmen.Component(
            kind="analyzer",
            name="redundancy",
            target="fulmen_split_parallel.analyzer:Redundancy",
            summary="Counts what data parallelism computes twice, and says whether splitting pays.",
        ),
    ]


@fulmen.hookimpl
def fulmen_kinds() -> list[fulmen.Kind]:
    """Open the kind that other plugins' graphs are of."""
    return [
        fulmen.Kind(
            name="graph",
            base="fulmen_split_parallel.graph.sources:GraphSource",
            summary="Makes a graph, always the same, for the data split_parallel.graph.",
        )
    ]


@fulmen.hookimpl
def fulmen_commands() -> list[fulmen.Command]:
    """Name the commands."""
    return [
        fulmen.Command(
            name="partition",
            target="fulmen_split_parallel.commands:partition",
            summary="Decide ahead of time which rank owns which vertex of a graph.",
        ),
        fulmen.Command(
            name="check",
            target="fulmen_split_parallel.check:check",
            summary="Compare one process with several on the same mini-batches: exact, and what is saved.",
        ),
    ]


_GRAPHS = [
    ("debian", "graph.debian:DebianPackages", "Packages of Debian and what each needs; shipped."),
    ("dc_sbm", "graph.degree_corrected:DegreeCorrectedSBM", "Generated: communities, unequal degrees."),
    ("rmat", "graph.recursive_matrix:RecursiveMatrix", "Generated: unequal degrees, no communities."),
    ("ogb", "graph.ogb:OGBNodes", "A node-property data set of the Open Graph Benchmark, on this disk."),
]
