"""What one key of a search space may be set to: a choice, a range of numbers.

A domain works on plain values (what ends in the overlay). It can draw one, change one a little, list
the neighbours of one where they are few, and describe one to the surrogate as a soft one-hot vector.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

KNOTS = 5  # of a range's soft one-hot vector: a piecewise linear function with four pieces
STEP = 0.15  # standard deviation of a change, as a share of the range


class SpaceError(ValueError):
    """A search space is not what it should be: one line that names the key, what was found and expected."""


class Domain(Protocol):
    """One key's values.

    Attributes:
        width: How many entries the soft one-hot vector has.
        count: How many values there are; None: too many to count.
        listed: Whether `neighbours` always returns a list.
        has_parts: Whether a value has several parts, one of which `mutate` changes: two mutations reach
            further than one.
        begin_with: Values that a search tries first, in order; mostly none.
    """

    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def count(self) -> int | None: ...  # noqa: D102
    @property
    def listed(self) -> bool: ...  # noqa: D102
    @property
    def has_parts(self) -> bool: ...  # noqa: D102
    @property
    def begin_with(self) -> Sequence[Any]: ...  # noqa: D102

    def sample(self, generator: np.random.Generator) -> Any:
        """Draw a value."""
        ...

    def mutate(self, value: Any, generator: np.random.Generator) -> Any:
        """Return another value near this one; the same where there is only one."""
        ...

    def neighbours(self, value: Any) -> list[Any] | None:
        """Return every value that one change reaches; None where that is not a short list."""
        ...

    def cross(self, first: Any, second: Any, generator: np.random.Generator) -> Any:
        """Return a value made of two."""
        ...

    def describe(self, value: Any) -> list[tuple[int, float]]:
        """Return the non-zero entries of the soft one-hot vector: places in [0, width) and weights."""
        ...

    def admits(self, value: Any) -> bool:
        """Say whether a value, about to be asked for, can be evaluated at all; may take milliseconds."""
        ...

    def check(self, value: Any) -> None:
        """Refuse a value from outside the domain.

        Raises:
            SpaceError: says what was found and expected.
        """
        ...


@dataclass(frozen=True)
class Choice:
    """One of several plain values, in no order."""

    values: Sequence[Any]

    listed = True
    has_parts = False
    begin_with: ClassVar[Sequence[Any]] = ()

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError("the list of choices is empty; expected one value or more")
        keys = [canonical(value) for value in self.values]
        if len(set(keys)) < len(keys):
            twice = next(value for value, key in zip(self.values, keys, strict=True) if keys.count(key) > 1)
            raise SpaceError(f"{twice!r} is listed twice; expected different values")
        object.__setattr__(self, "_places", {key: place for place, key in enumerate(keys)})
        # Most choices are texts, whose places are wanted some ten times for each candidate.
        texts = {value: place for place, value in enumerate(self.values) if type(value) is str}
        object.__setattr__(self, "_texts", texts)

    @property
    def width(self) -> int:
        """One entry a value."""
        return len(self.values)

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    def sample(self, generator: np.random.Generator) -> Any:
        """Draw a value."""
        return self.values[int(generator.integers(len(self.values)))]

    def at(self, unit: float) -> Any:
        """Return the value that a number from 0 to 1 stands for: each has an equal share."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def unit(self, value: Any) -> float:
        """Return the middle of a value's share, which `at` takes back."""
        return (self._place(value) + 0.5) / len(self.values)

    def mutate(self, value: Any, generator: np.random.Generator) -> Any:
        """Draw another value."""
        others = self.neighbours(value)
        return others[int(generator.integers(len(others)))] if others else value

    def neighbours(self, value: Any) -> list[Any]:
        """Return all other values."""
        place = self._place(value)
        return [other for number, other in enumerate(self.values) if number != place]

    def cross(self, first: Any, second: Any, generator: np.random.Generator) -> Any:
        """Return one of the two."""
        return first if generator.random() < 0.5 else second

    def describe(self, value: Any) -> list[tuple[int, float]]:
        """Return its place."""
        return [(self._place(value), 1.0)]

    def admits(self, value: Any) -> bool:
        """Say yes."""
        return True

    def check(self, value: Any) -> None:
        """Refuse what is not listed."""
        self._place(value)

    def _place(self, value: Any) -> int:
        texts: dict[str, int] = self._texts  # type: ignore[attr-defined]
        if type(value) is str and value in texts:
            return texts[value]
        places: dict[str, int] = self._places  # type: ignore[attr-defined]
        try:
            return places[canonical(value)]
        except KeyError:
            raise SpaceError(f"{value!r} is not one of {list(self.values)!r}") from None


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included.

    Attributes:
        low: The least value; above 0 if ``log``.
        high: The greatest value.
        log: Whether factors, not differences, are equal steps.
        integer: Whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    width = KNOTS
    has_parts = False

    begin_with: ClassVar[Sequence[Any]] = ()

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise SpaceError(f"{name} is {value!r}; expected a finite number")
            if self.integer and value != int(value):
                raise SpaceError(f"{name} is {value!r}; expected a whole number")
        if not self.low < self.high:
            raise SpaceError(f"the range [{self.low}, {self.high}] is empty or reversed; expected low < high")
        if self.log and self.low <= 0:
            raise SpaceError(f"low is {self.low}; a range in factors begins above 0")

    @property
    def count(self) -> int | None:
        """How many whole numbers there are; None for real numbers."""
        return int(self.high) - int(self.low) + 1 if self.integer else None

    @property
    def listed(self) -> bool:
        """Whether there are at most nine whole numbers."""
        return self.count is not None and self.count <= 9

    def sample(self, generator: np.random.Generator) -> float | int:
        """Draw a number, uniform in the range or in its logarithm."""
        return self._value(float(generator.random()))

    def at(self, unit: float) -> float | int:
        """Return the value at a share of the way from ``low`` to ``high``, or of its logarithm."""
        return self._value(unit)

    def unit(self, value: float) -> float:
        """Return the share at which a value lies; for a whole number, one that `at` takes back."""
        if not self.integer:
            return self._unit(value)
        low, high = self.low - 0.5, self.high + 0.5
        return math.log(value / low) / math.log(high / low) if self.log else (value - low) / (high - low)

    def mutate(self, value: float, generator: np.random.Generator) -> float | int:
        """Move by a normal step, folded back at the ends; a whole number by 1 at least."""
        moved = self.unit(value) + STEP * float(generator.standard_normal())
        moved = abs(moved) % 2.0
        found = self._value(2.0 - moved if moved > 1.0 else moved)
        if self.integer and found == value:
            found += 1 if value == self.low or (value < self.high and generator.random() < 0.5) else -1
        return found

    def neighbours(self, value: float) -> list[float | int] | None:
        """Return all other whole numbers where there are few."""
        if not self.listed:
            return None
        return [other for other in range(int(self.low), int(self.high) + 1) if other != value]

    def cross(self, first: float, second: float, generator: np.random.Generator) -> float | int:
        """Return a number between the two."""
        share = float(generator.random())
        return self._value(share * self.unit(first) + (1 - share) * self.unit(second))

    def describe(self, value: float) -> list[tuple[int, float]]:
        """Return the two knots that it lies between, with the weights of linear interpolation."""
        place = self._unit(value) * (KNOTS - 1)
        left = min(int(place), KNOTS - 2)
        share = place - left
        return [(left, 1.0 - share), (left + 1, share)]

    def admits(self, value: Any) -> bool:
        """Say yes."""
        return True

    def check(self, value: Any) -> None:
        """Refuse what is no number of the range."""
        whole = not self.integer or (isinstance(value, int) and not isinstance(value, bool))
        if not (isinstance(value, int | float) and whole and self.low <= value <= self.high):
            kind = "whole number" if self.integer else "number"
            raise SpaceError(f"{value!r} is not a {kind} from {self.low} to {self.high}")

    def _unit(self, value: float) -> float:
        low, high = float(self.low), float(self.high)
        share = math.log(value / low) / math.log(high / low) if self.log else (value - low) / (high - low)
        return min(max(share, 0.0), 1.0)

    def _value(self, unit: float) -> float | int:
        low, high = float(self.low), float(self.high)
        if self.integer:
            # Each whole number gets the share from half below it to half above it.
            low, high = low - 0.5, high + 0.5
        value = low * (high / low) ** unit if self.log else low + unit * (high - low)
        value = min(max(value, self.low), self.high)
        return min(max(round(value), int(self.low)), int(self.high)) if self.integer else value


def canonical(value: Any) -> str:
    """Return a text that equal plain values share, whatever the order of their keys."""
    return _ENCODER.encode(value)
