"""How much a candidate's evaluation may cost, and how much a final training does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fulmen.errors import ConfigError
from fulmen.searching import Objective


@dataclass(frozen=True)
class Fidelity:
    """What candidates are trained with: less than a real training, so that many can be.

    Args:
        epochs: Epochs; None: as the trainer says.
        data: The share of the training batches of each epoch, up to 1; None: as the trainer says.
        abort_metric: A logged metric by which hopeless candidates are stopped early; None: none are,
            but those whose loss is not finite.
        abort_after: The epoch after which it is looked at, from 1.
        abort_below: Stop where it is below this; None: no such limit. The share of the largest class
            tells a candidate that has learnt nothing else.
        abort_above: Stop where it is above this.
        rungs: After each of these epochs a candidate goes on only if it is among the best so far, by the
            first objective that is a logged metric; None: all go on.
        keep: The share that goes on. With several objectives, what is worse in this one may be the better in
            another: keep more then.

    Raises:
        ConfigError: a number makes no sense.
    """

    epochs: int | None = None
    data: float | None = None
    abort_metric: str | None = None
    abort_after: int = 1
    abort_below: float | None = None
    abort_above: float | None = None
    rungs: list[int] | None = None
    keep: float = 0.5

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"fidelity: epochs: expected 1 or more, got {self.epochs}.")
        if self.data is not None and not 0 < self.data <= 1:
            raise ConfigError(f"fidelity: data: expected a share above 0 and up to 1, got {self.data}.")
        for name in ("abort_after", "keep"):
            if getattr(self, name) is None:
                raise ConfigError(f"fidelity: {name}: expected a number, got null.")
        if self.abort_after < 1:
            raise ConfigError(f"fidelity: abort_after: expected 1 or more, got {self.abort_after}.")
        if (self.abort_metric is None) != (self.abort_below is None and self.abort_above is None):
            raise ConfigError("fidelity: abort_metric needs abort_below or abort_above, and they need it.")
        if (
            self.abort_below is not None
            and self.abort_above is not None
            and self.abort_below > self.abort_above
        ):
            raise ConfigError(
                f"fidelity: abort_below: expected abort_above ({self.abort_above:g}) or less, got "
                f"{self.abort_below:g}: all would be stopped."
            )
        if self.rungs is not None:
            last = self.epochs or float("inf")
            rising = all(a < b for a, b in zip([0, *self.rungs], [*self.rungs, last], strict=True))
            if not self.rungs or not rising:
                raise ConfigError(
                    f"fidelity: rungs: expected epochs that rise and end before epochs ({last:g}), "
                    f"got {self.rungs}."
                )
        if not 0 < self.keep < 1:
            raise ConfigError(f"fidelity: keep: expected a share above 0 and below 1, got {self.keep}.")

    @property
    def overlay(self) -> dict[str, Any]:
        """The fidelity as an overlay."""
        given = {"trainer.max_epochs": self.epochs, "trainer.limit_train_batches": self.data}
        return {key: value for key, value in given.items() if value is not None}


def require_validation(
    objectives: Sequence[Objective], fidelity: Fidelity, final: Final | None, trainer: Mapping[str, Any]
) -> None:
    """Refuse trainings without the validations that something is measured in.

    Raises:
        ConfigError: names the epochs, and what they are too few for or no multiples of.
    """
    every = trainer.get("check_val_every_n_epoch") or 1
    metrics = [o.name for o in objectives if str(o.source.get("metric", "")).startswith("val")]
    parts = {"fidelity": fidelity.epochs, "final": None if final is None else final.epochs}
    for part, epochs in parts.items():
        if metrics and epochs is not None and epochs < every:
            raise ConfigError(
                f"{part}: epochs: expected {every} or more, got {epochs}: the model is validated after every "
                f"{every} (trainer.check_val_every_n_epoch), and {metrics[0]!r} comes of that."
            )
    last = fidelity.epochs or trainer.get("max_epochs") or math.inf
    looked_at = [("rungs", epoch) for epoch in fidelity.rungs or []]
    looked_at += [("abort_after", fidelity.abort_after)] if fidelity.abort_metric is not None else []
    for key, epoch in looked_at:
        found = f"got {epoch}: a candidate is looked at when it has been validated."
        if epoch % every:
            raise ConfigError(
                f"fidelity: {key}: expected multiples of {every} (trainer.check_val_every_n_epoch), {found}"
            )
        if 0 < last < epoch:
            raise ConfigError(f"fidelity: {key}: expected {last} or less, the last epoch, {found}")


@dataclass(frozen=True)
class Final:
    """What the best candidates are trained with at the end: in full, several times, and tested.

    Args:
        top_k: How many of the front, evenly spread over it; all where it is smaller.
        seeds: How often each is trained, each time with another seed.
        epochs: Epochs; None: as the trainer says.

    Raises:
        ConfigError: a number makes no sense.
    """

    top_k: int = 3
    seeds: int = 3
    epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ("top_k", "seeds", "epochs"):
            value = getattr(self, name)
            if (value is None and name != "epochs") or (value is not None and value < 1):
                raise ConfigError(f"final: {name}: expected 1 or more, got {value}.")

    def allowance(self, candidates: Fidelity, epochs: int | None) -> float:
        """Return how many times a candidate's time one of these trainings may take, at least 1.

        Args:
            candidates: What candidates are trained with.
            epochs: As the trainer says; None: as Lightning says, which is no measure.
        """
        own, others = self.epochs or epochs, candidates.epochs or epochs
        ratio = 1.0 if own == others else own / others if own and others and own > 0 < others else math.inf
        return max(1.0, ratio / (candidates.data or 1.0))

    @property
    def overlay(self) -> dict[str, Any]:
        """The epochs as an overlay."""
        return {} if self.epochs is None else {"trainer.max_epochs": self.epochs}
