"""A column of times: numbers or dates, and whether they rise in equal steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from fulmen_attention_granger.recordings import RecordingError

TOLERANCE = 0.01  # of a step: times in files are rounded


def parsed(where: str, cells: list[str], number: Callable[[int, str], float]) -> np.ndarray:
    """Return a column of text as times: numbers all, or dates all (ISO 8601, UTC where they do not say).

    Args:
        where: The column, for messages.
        cells: A time each.
        number: Reads the cell of a row, counted from 0, as a number: NaN where it is empty; refuses text.

    Returns:
        float64, or datetime64 in microseconds; shape (rows,). NaN or NaT where a cell is empty.

    Raises:
        RecordingError: there are numbers and dates.
    """
    dates = [_date(cell) for cell in cells]
    if not any(dates):
        return np.array([number(*cell) for cell in enumerate(cells)])
    for row, (cell, date) in enumerate(zip(cells, dates, strict=True)):
        if date is None and np.isfinite(number(row, cell)):
            raise RecordingError(
                f"{where}: row {row + 1} holds the number {cell.strip()}, others hold dates; expected dates "
                "alone: mend it."
            )
    return np.array(dates, dtype="datetime64[us]")


def equal_step(where: str, times: np.ndarray, without: str = "take the column out") -> float:
    """Return the step between times that rise evenly.

    Args:
        where: What holds the times, for messages.
        times: float64 or datetime64, shape (rows,).
        without: What a user does to read the rows as steps, whatever their times; for messages.

    Returns:
        In the unit of the numbers; of dates in seconds, or 1 (row) where they go from month to month, by a
        number of months, or from business day to business day (Monday to Friday): these have no number of
        seconds.

    Raises:
        RecordingError: fewer than two times, one is missing, or a step differs from the median step by
            more than 1 %; names the first such row.
    """
    dates = times.dtype.kind == "M"
    missing = np.isnat(times) if dates else ~np.isfinite(times)
    if len(times) < 2 or missing.any():
        gap = int(np.flatnonzero(missing)[0]) + 1 if len(times) > 1 else len(times)
        raise RecordingError(
            f"{where}: row {gap} has no time; expected two or more times, none missing: fill it in, or say "
            "time_column: null and take the column out."
        )
    steps, unit = (np.diff(times) / np.timedelta64(1, "s"), " s") if dates else (np.diff(times), "")
    counted = _counted(times) if dates else None
    if counted is not None:
        steps, unit = np.diff(counted[0]).astype(np.float64), counted[1]
    step = float(np.median(steps))
    wrong = _uneven(steps)
    if step <= 0 or len(wrong):
        row = int(wrong[0]) if len(wrong) else int(np.flatnonzero(steps <= 0)[0])
        first, second = (_shown(time) for time in times[row : row + 2])
        raise RecordingError(
            f"{where}: the time goes from {first} to {second} after row {row + 1}, the usual "
            f"step is {step:g}{unit}; expected equal steps upwards: resample, and leave lost rows empty; or "
            f"{without}, if each row is a step whatever its time."
        )
    return step if counted is None else 1.0


def is_date(cell: str) -> bool:
    """Say whether a cell is a date in ISO 8601, and no number."""
    return _date(cell) is not None


def _date(cell: str) -> datetime | None:
    try:
        float(cell)
    except ValueError:
        pass
    else:
        return None  # a year, or a day without hyphens, is a number
    try:
        date = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date


def _uneven(steps: np.ndarray) -> np.ndarray:
    """Return the places of steps that are not the usual one."""
    usual = np.median(steps)
    return np.flatnonzero(np.abs(steps - usual) > TOLERANCE * abs(usual))


def _counted(times: np.ndarray) -> tuple[np.ndarray, str] | None:
    """Number dates that no number of seconds lies between, but months or business days; say which."""
    months = _months(times)
    if months is not None:
        return months, " months"
    days = times.astype("datetime64[D]")
    into = times - days
    weekdays = (into == into[0]).all() and np.is_busday(days).all()
    if weekdays and (np.diff(times) > np.timedelta64(0)).all() and len(_uneven(np.diff(days).astype(float))):
        return np.busday_count(days[0], days), " business days"
    return None


def _months(times: np.ndarray) -> np.ndarray | None:
    """Number the months of dates that are all of one day of the month, or of its last; else None."""
    months, days = times.astype("datetime64[M]"), times.astype("datetime64[D]")
    into, last = times - months, (days + 1).astype("datetime64[M]") != months
    if (into == into[0]).all() or (last.all() and (times - days == times[0] - days[0]).all()):
        return np.asarray(months.astype(np.int64))
    return None


def _shown(time: np.generic) -> str:
    if time.dtype.kind != "M":
        return f"{time:g}"
    return str(time.astype("datetime64[us]")).removesuffix(".000000").removesuffix("T00:00:00")
