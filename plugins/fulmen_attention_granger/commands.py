"""The commands ``fulmen attention_granger ...``: write recordings, and try the classical tests on them."""

from __future__ import annotations

import io
import sys
from typing import Literal

from fulmen import progress, write_artifact
from fulmen.errors import ConfigError, DataError, FulmenError
from fulmen_attention_granger.data.series_data import SeriesData
from fulmen_attention_granger.method_rows import found_row, opponent_row, pair_rows
from fulmen_attention_granger.opponents.capped import FAILED, REFUSED, run_capped
from fulmen_attention_granger.opponents.catalog import OPPONENTS
from fulmen_attention_granger.reading.writing import write_npz
from fulmen_attention_granger.recordings import RecordingError, Recordings

Method = Literal[
    "var_granger", "spike_regression", "slarac", "pcmci_parcorr", "pcmci_robust_parcorr", "pcmci_gpdc"
]


def simulate(to: str, data: SeriesData | None = None) -> None:
    """Write recordings as an npz that the data ``time_series`` reads, the truth inside where it is known.

    Args:
        to: Where: a file that ends in .npz.
        data: Any data of this plugin with its options: ``--data spiking_network --data.neurons 20``.
    """
    if not to.endswith(".npz"):
        raise ConfigError(f"simulate: to is {to!r}; expected a file that ends in .npz: change it.")
    recordings = _recordings("simulate", data)
    buffer = io.BytesIO()
    try:
        write_npz(buffer, recordings)
    except RecordingError as error:
        raise DataError(str(error)) from error
    write_artifact(to, buffer.getvalue())
    sys.stdout.write(f"{to}: {_told(recordings)}\n")


def opponents(
    data: SeriesData | None = None,
    methods: list[Method] | None = None,
    lags: int | None = None,
    seconds: float = 60.0,
    q: float = 0.1,
    to: str | None = None,
) -> None:
    """Run the classical tests on recordings: which edges each finds, or with a known truth how right it is.

    Args:
        data: Any data of this plugin with its options.
        methods: Which; None: all, GPDC for few variables alone.
        lags: How many each looks at; None: its own choice.
        seconds: Of wall-clock time that each may take; whoever takes longer is stopped.
        q: The false-discovery rate at which edges are chosen, where there are p values.
        to: A CSV file: the table where the truth is known, else a row for each method and pair with its
            score, p and q value; None: the table is printed alone.
    """
    if seconds <= 0 or not 0 < q < 1 or (lags is not None and lags < 1):
        raise ConfigError(
            f"opponents: seconds is {seconds}, q {q}, lags {lags}; expected seconds above 0, q between 0 and "
            "1, lags 1 or more or null: change them."
        )
    recordings = _recordings("opponents", data)
    results = [
        run_capped(name, recordings.trials, lags, seconds)
        for name in progress(methods or _fitting(recordings), "classical tests")
    ]
    refused = [result for result in results if result.note.startswith(REFUSED)]
    if len(refused) == len(results):
        reason = refused[0].note.removeprefix(REFUSED)
        raise DataError(f"{recordings.source}: {refused[0].method}: {reason}")
    failed = [result for result in results if result.note.startswith(FAILED)]
    if len(failed) + len(refused) == len(results):
        raise FulmenError(f"{recordings.source}: {failed[0].method}: {failed[0].note}")
    import pandas as pd

    if recordings.graph is None:
        rows = pd.DataFrame([found_row(result, recordings.names, q) for result in results])
        kept = pd.concat([pair_rows(result, recordings.names) for result in results])
    else:
        rows = kept = pd.DataFrame([opponent_row(result, recordings.graph, q) for result in results])
    printed = rows.drop(columns="test", errors="ignore")
    table = printed.to_string(index=False, float_format="{:.3f}".format, na_rep="-")
    sys.stdout.write(f"{recordings.source}: {_told(recordings)}\n{table}\n")
    if to is not None:
        write_artifact(to, kept.to_csv(index=False))
        sys.stdout.write(f"{to}: {len(kept)} rows\n")


def _recordings(command: str, data: SeriesData | None) -> Recordings:
    if data is None:  # not a required parameter, for those become positional and cannot have options
        raise ConfigError(f"{command}: no data is named; expected --data NAME: `fulmen plugins` lists them.")
    return data.recordings()


def _fitting(recordings: Recordings) -> list[str]:
    return [
        name
        for name, opponent in OPPONENTS.items()
        if opponent.most_variables is None or recordings.variables <= opponent.most_variables
    ]


def _told(recordings: Recordings) -> str:
    count, rows = len(recordings.trials), recordings.samples
    trials = "" if count == 1 else f" in {count} trials"
    edges = "" if recordings.graph is None else f", {int(recordings.graph.sum())} edges"
    gaps = f", {recordings.missing:.1%} missing" if recordings.missing else ""
    return f"{recordings.variables} variables, {rows} rows{trials}{edges}{gaps}"
