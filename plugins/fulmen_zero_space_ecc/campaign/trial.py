"""One trial: faults fall on what a scheme has stored, the scheme reads it, the network classifies.

The fast way decodes the units that faults touched, writes the weights that came out wrong, begins the
forward pass at the first of them, and runs none at all where nothing came out wrong. The slow way
decodes everything, writes everything, computes everything. Both give the same numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import FaultModel, Faults, Target, draw, flip_, stream
from fulmen_zero_space_ecc.campaign.resident import Resident
from fulmen_zero_space_ecc.campaign.schemes import Arena, Scheme, build

_MOST_REMEMBERED = 100_000


@dataclass(frozen=True)
class Outcome:
    """What one trial gave.

    Attributes:
        accuracy: Share of images classified correctly.
        corrected: Units that the scheme says it mended.
        detected: Units that it knows are wrong.
        silent: Units that are wrong and that it did not report.
        flips: How many stored bits had changed.
        faults: Tells the faults of the weights' own bits from others; equal for all schemes.
    """

    accuracy: float
    corrected: int
    detected: int
    silent: int
    flips: int
    faults: str

    def plain(self) -> list[Any]:
        """Return the fields in order."""
        return list(astuple(self))


class Workbench:
    """Everything that the trials of one model share.

    Args:
        resident: The model in memory.
        seed: Of all faults.
        fault_model: How faults gather.
        target: Where in the weights' bytes they can fall. Check bytes outside of these meet faults
            of the same rate, unless the target leaves out a part of the weights.
    """

    def __init__(self, resident: Resident, seed: int, fault_model: FaultModel, target: Target) -> None:
        self.resident = resident
        self.seed = seed
        self.fault_model = fault_model
        self.target = target
        self.arena: Arena = resident.image.arena()
        self._schemes: dict[str, Scheme] = {}
        self._accuracies: dict[bytes, float] = {}

    def scheme(self, label: str) -> Scheme:
        """Return a scheme by its label, encoded once."""
        if label not in self._schemes:
            self._schemes[label] = build(label, self.arena)
        return self._schemes[label]

    def faults(self, scheme: Scheme, rate: float, trial: int) -> tuple[Faults, Faults]:
        """Return a trial's faults in the weights' own bits, the same for all schemes, and in all bits."""
        keys = (self.fault_model.name, rate, trial)
        shared = draw(self.fault_model, self.target, rate, stream(self.seed, "weights", *keys))
        whole = self.target.bits is None and self.target.size == 8 * scheme.size
        if not scheme.extra_bytes or not whole:
            return shared, shared
        checks = Target(((scheme.size, scheme.size + scheme.extra_bytes),))
        extra = draw(self.fault_model, checks, rate, stream(self.seed, "checks", *keys))
        stuck_at = None
        if shared.stuck_at is not None and extra.stuck_at is not None:
            stuck_at = np.concatenate([shared.stuck_at, extra.stuck_at])
        return shared, Faults(np.concatenate([shared.positions, extra.positions]), stuck_at)

    def clean_accuracy(self, label: str) -> float:
        """Return a scheme's accuracy without faults."""
        self.resident.load(self.scheme(label).clean)
        return self.resident.clean_accuracy

    def trial(self, label: str, rate: float, number: int) -> Outcome:
        """Run one trial the fast way."""
        scheme = self.scheme(label)
        shared, faults = self.faults(scheme, rate, number)
        flips = faults.flips(scheme.stored)
        self.resident.load(scheme.clean)
        accuracy = self.resident.clean_accuracy
        if not len(flips):
            return Outcome(accuracy, 0, 0, 0, 0, shared.digest())
        with _flipped(scheme, flips):
            decoded = scheme.decode_touched(scheme.stored, flips)
        where, values, silent = scheme.wrong(decoded)
        if len(where):
            key = where.tobytes() + values.tobytes() + scheme.label.encode()
            if key not in self._accuracies:
                with self.resident.changed(where, values) as layers:
                    accuracy = self.resident.accuracy(layers)
                if len(self._accuracies) >= _MOST_REMEMBERED:
                    self._accuracies.clear()
                self._accuracies[key] = accuracy
            accuracy = self._accuracies[key]
        return Outcome(
            accuracy, decoded.corrected, len(decoded.detected), silent, len(flips), shared.digest()
        )

    def slow_trial(self, label: str, rate: float, number: int) -> Outcome:
        """Run the same trial with a whole encoding, decoding and forward pass."""
        scheme = build(label, self.arena)
        shared, faults = self.faults(scheme, rate, number)
        flips = faults.flips(scheme.stored)
        flip_(scheme.stored, flips)
        decoded = scheme.decode(scheme.stored)
        _, _, silent = scheme.wrong(decoded)
        self.resident.load(scheme.clean)
        accuracy = self.resident.accuracy_of(decoded.values)
        return Outcome(
            accuracy, decoded.corrected, len(decoded.detected), silent, len(flips), shared.digest()
        )


@contextmanager
def _flipped(scheme: Scheme, flips: Any) -> Iterator[None]:
    flip_(scheme.stored, flips)
    try:
        yield
    finally:
        flip_(scheme.stored, flips)
