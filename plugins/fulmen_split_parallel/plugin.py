"""What fulmen_split_parallel offers: names alone, so that listing it costs nothing."""

from __future__ import annotations

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the strategy, the data, the models and the analyzer."""
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
            kind="analyzer",
            name="redundancy",
            target="fulmen_split_parallel.analyzer:Redundancy",
            summary="Counts what data parallelism computes twice, and says whether splitting pays.",
        ),
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
    ]
