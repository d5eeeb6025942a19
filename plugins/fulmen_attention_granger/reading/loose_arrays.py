"""Arrays from a file or from a caller: what shapes and contents are recordings, names, truths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fulmen_attention_granger.reading.columns import OneFile
from fulmen_attention_granger.recordings import RecordingError, default_names

TRUTH = "truth_"  # arrays of this prefix are further truths about pairs


def split_trials(where: str, array: np.ndarray) -> tuple[np.ndarray, ...]:
    """Turn an array of numbers into trials of float64.

    Raises:
        RecordingError: it has neither two nor three dimensions, none of them 0, or does not hold numbers.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise RecordingError(
            f"{where}: has shape {array.shape}; expected (time, variables) or (trials, time, variables), "
            "none of them 0."
        )
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{where}: holds {array.dtype}; expected real numbers: convert it.")
    values = array.astype(np.float64)
    return (values,) if values.ndim == 2 else tuple(values)


def one_file(where: str, trials: tuple[np.ndarray, ...], arrays: Mapping[str, np.ndarray]) -> OneFile:
    """Put together what arrays say: the trials, and perhaps who is who and who drives whom.

    Args:
        where: They come from, for messages.
        trials: From ``split_trials``, of the same variables.
        arrays: Perhaps ``names`` text, (variables,); ``graph`` 0 or 1, (targets, sources), whose diagonal is
            ignored; ``interval`` one number; ``truth_...`` (targets, sources).

    Raises:
        RecordingError: one has another shape or content.
    """
    variables = trials[0].shape[1]
    names = default_names(variables)
    if "names" in arrays:
        given = arrays["names"]
        if given.shape != (variables,) or given.dtype.kind not in "US":
            raise RecordingError(
                f"{where}: names has shape {given.shape} and holds {given.dtype}; x has {variables} "
                "variables: give a text each."
            )
        names = tuple(str(name) for name in given.astype(str))
    truths = {
        name.removeprefix(TRUTH): _pairs(f"{where}: {name}", array, variables)
        for name, array in arrays.items()
        if name.startswith(TRUTH)
    }
    graph = None
    if "graph" in arrays:
        graph = _pairs(f"{where}: graph", arrays["graph"], variables)
        if not np.isin(graph, (0, 1)).all():
            raise RecordingError(
                f"{where}: graph holds {graph[~np.isin(graph, (0, 1))][0]}; expected 0 and 1 alone, a row "
                "for each target, a column for each source."
            )
        graph = graph.astype(bool) & ~np.eye(variables, dtype=bool)
    return OneFile(trials, names, _interval(where, arrays), graph, truths)


def _pairs(where: str, array: np.ndarray, variables: int) -> np.ndarray:
    if array.shape != (variables, variables):
        raise RecordingError(
            f"{where} has shape {array.shape}, x has {variables} variables; expected ({variables}, "
            f"{variables}): a row for each target, a column for each source."
        )
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{where} holds {array.dtype}; expected numbers.")
    return array


def _interval(where: str, arrays: Mapping[str, np.ndarray]) -> float | None:
    if "interval" not in arrays:
        return None
    given = arrays["interval"]
    if given.size != 1 or given.dtype.kind not in "iuf" or not 0 < float(given.reshape(-1)[0]) < np.inf:
        raise RecordingError(f"{where}: interval is {given}; expected one number above 0.")
    return float(given.reshape(-1)[0])
