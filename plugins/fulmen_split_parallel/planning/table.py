"""The planner's table: one row for each sampler, number of parts and partitioner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.rates import Rates
from fulmen_split_parallel.planning.steps import StepWork
from fulmen_split_parallel.planning.time_model import data_parallel_seconds, split_seconds

COLUMNS = (
    "sampler",
    "parts",
    "partitioner",
    "dp_rows",
    "split_rows",
    "row_redundancy",
    "dp_edges",
    "split_edges",
    "edge_redundancy",
    "shuffled_rows",
    "cut",
    "imbalance",
    "dp_seconds",
    "split_seconds",
)


def table_row(
    sampler: str,
    parts: int,
    partitioner: str,
    data_parallel: Sequence[StepWork],
    split: Sequence[StepWork],
    shape: NetworkShape,
    rates: Rates,
    feature_bytes: int,
) -> dict[str, Any]:
    """Return a row; counts and seconds are sums over the mini-batches, imbalance is their mean.

    Args:
        sampler: Its name.
        parts: P.
        partitioner: Its name.
        data_parallel: One of each mini-batch.
        split: Likewise.
        shape: Of the network.
        rates: Of a rank.
        feature_bytes: Of a feature row where it is kept.
    """
    dp_rows, split_rows = (sum(int(work.inputs.sum()) for work in works) for works in (data_parallel, split))
    dp_edges, split_edges = (sum(int(work.edges.sum()) for work in works) for works in (data_parallel, split))
    row = (
        sampler,
        parts,
        partitioner,
        dp_rows,
        split_rows,
        dp_rows / max(1, split_rows),
        dp_edges,
        split_edges,
        dp_edges / split_edges if split_edges else 1.0,
        sum(int(work.received.sum()) for work in split),
        sum(work.remote_edges for work in split) / max(1, split_edges),
        sum(work.imbalance for work in split) / len(split),
        sum(data_parallel_seconds(work, shape, rates, feature_bytes) for work in data_parallel),
        sum(split_seconds(work, shape, rates, feature_bytes) for work in split),
    )
    return dict(zip(COLUMNS, row, strict=True))


def layer_rows(
    sampler: str, parts: int, partitioner: str, split: Sequence[StepWork], shape: NetworkShape
) -> list[dict[str, Any]]:
    """Return what crosses ranks in each layer, the input's first, summed over the mini-batches.

    Bytes are those of rows on the way forward; above the input's layer as many come back, as gradients.
    """
    rows = []
    for layer in range(len(split[0].edges)):
        crossing = sum(int(work.received[layer].sum()) for work in split)
        rows.append(
            {
                "sampler": sampler,
                "parts": parts,
                "partitioner": partitioner,
                "layer": layer,
                "edges": sum(int(work.edges[layer].sum()) for work in split),
                "shuffled_rows": crossing,
                "shuffled_bytes": crossing * shape.sent_width(layer) * shape.itemsize,
            }
        )
    return rows
