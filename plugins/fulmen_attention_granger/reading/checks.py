"""What a recording must be before anything is computed from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fulmen_attention_granger.recordings import RecordingError, Recordings

FEWEST = 3  # rows: fewer say nothing of how a variable moves
ALIKE = 0.9  # correlation, roughly, from which on two variables are compared in full
SAME = 1e-12  # of a correlation from 1: they differ by a millionth of their spread
STRIP = 256  # columns that are compared with all others at once
TINY = 1e-150  # the square root of the smallest number that float64 holds in full


def check(recordings: Recordings) -> None:
    """Refuse what no test of who drives whom can work on. Missing values (NaN) are no reason.

    Raises:
        RecordingError: fewer than ``FEWEST`` rows; one variable; names that repeat; an infinity; a variable
            that is never seen, never changes, repeats another one, or only counts the rows.
    """
    where, names = recordings.source, recordings.names
    if len(names) < 2:
        raise RecordingError(
            f"{where}: has {len(names)} variable; expected 2 or more, of which one may drive another."
        )
    check_length(recordings, FEWEST, "and many more to find anything")
    _refuse_repeated_trials(recordings)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise RecordingError(
            f"{where}: {names.count(repeated[0])} variables are called {repeated[0]!r}; expected names that "
            "differ: rename them."
        )
    _refuse_infinities(recordings)
    together = np.concatenate(recordings.trials)
    for index, name in enumerate(names):
        seen = together[:, index][np.isfinite(together[:, index])]
        if len(seen) == 0:
            raise RecordingError(f"{where}: {name!r} has no value at all: take the variable out.")
        if seen.min() == seen.max():
            raise RecordingError(
                f"{where}: {name!r} is {seen[0]:g} at every step; expected a variable that changes: take it "
                "out."
            )
        if not TINY < seen.max() - seen.min() < 1 / TINY:
            raise RecordingError(
                f"{where}: {name!r} goes from {seen.min():g} to {seen.max():g}; expected a range whose "
                "square can be told from 0 and from infinity: give it in another unit."
            )
    _refuse_repeats(where, names, together)
    _refuse_counters(recordings)


def check_length(recordings: Recordings, rows: int, why: str) -> None:
    """Refuse recordings without a trial of so many rows.

    Args:
        recordings: What is checked.
        rows: At least so many in one trial.
        why: What they are needed for, for the message.

    Raises:
        RecordingError: every trial is shorter.
    """
    longest = max(len(trial) for trial in recordings.trials)
    if longest < rows:
        lying = recordings.variables > longest
        remedy = (
            "rows are times, columns variables: turn it" if lying else "record longer, or ask for fewer lags"
        )
        raise RecordingError(
            f"{recordings.source}: the longest trial has {longest} rows; expected {rows} or more ({why}): "
            f"{remedy}."
        )


def _refuse_repeated_trials(recordings: Recordings) -> None:
    """Refuse what would count the same rows twice."""
    seen: dict[bytes, int] = {}
    for number, trial in enumerate(recordings.trials, start=1):
        first = seen.setdefault(trial.tobytes(), number)
        if first != number:
            raise RecordingError(
                f"{recordings.source}: trial {number} repeats trial {first}; expected trials that differ: "
                "take one of the two out."
            )


def _refuse_infinities(recordings: Recordings) -> None:
    for number, trial in enumerate(recordings.trials, start=1):
        found = np.argwhere(np.isinf(trial))
        if len(found):
            row, column = found[0]
            place = f"trial {number}, " if len(recordings.trials) > 1 else ""
            raise RecordingError(
                f"{recordings.source}: {place}row {row + 1} of {recordings.names[column]!r} is "
                f"{trial[row, column]:+g} ({len(found)} such values); expected finite numbers: leave them "
                "empty (NaN), which counts as missing and is masked."
            )


def _refuse_repeats(where: str, names: tuple[str, ...], together: np.ndarray) -> None:
    """Refuse what another variable holds too: in other units, mirrored, or with gaps of its own."""
    seen = ~np.isnan(together)
    z = np.nan_to_num((together - np.nanmean(together, axis=0)) / np.nanstd(together, axis=0))
    for first, second in _alike(z, seen.astype(np.float32)):
        both = seen[:, first] & seen[:, second]
        a, b = together[both, first], together[both, second]
        a, b = a - a.mean(), b - b.mean()
        size = np.sqrt((a @ a) * (b @ b))
        if len(a) > FEWEST and size > 0 and 1 - abs(a @ b) / size < SAME:
            raise RecordingError(
                f"{where}: {names[second]!r} repeats {names[first]!r} at every step; expected variables that "
                "differ: take one of the two out."
            )


def _alike(z: np.ndarray, seen: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield pairs of columns that go together, roughly: a strip of them at a time, for there may be many."""
    for start in range(0, z.shape[1], STRIP):
        strip = slice(start, start + STRIP)
        common = np.maximum(seen[:, strip].T @ seen[:, start:], 1)
        alike = np.triu(np.abs(z[:, strip].T @ z[:, start:]) / common > ALIKE, k=1)
        for first, second in np.argwhere(alike).tolist():
            yield start + first, start + second


def _refuse_counters(recordings: Recordings) -> None:
    for index, name in enumerate(recordings.names):
        steps = np.concatenate([np.diff(trial[:, index]) for trial in recordings.trials])
        if len(steps) > 5 and steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0.0):
            raise RecordingError(
                f"{recordings.source}: {name!r} changes by {steps[0]:g} at every step, as a time or a row "
                f"number does; expected variables: say time_column: {name}, or take it out."
            )
