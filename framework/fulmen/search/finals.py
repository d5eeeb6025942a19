"""The final trainings: the best of a front anew, in full, several times, on data that no candidate saw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.analysis.formatting import format_number
from fulmen.search.fidelity import Final
from fulmen.search.progress import counted
from fulmen.searching import Candidate
from fulmen.study import Told

if TYPE_CHECKING:
    import pandas as pd

SEED_STEP = 1_000_003  # from one final training of a candidate to the next
FINALS = "finals"  # in the study: the names of those that there are to be
AGAIN = {"timeout", "oom", "crash"}  # is tried again by the same command, perhaps with other limits
_EPOCHS = "-epochs-"


@dataclass(frozen=True)
class FinalTraining:
    """One of them.

    Attributes:
        candidate: What is trained.
        number: Which of its trainings this is, from 0.
        epochs: For how long; None: as the trainer says.
    """

    candidate: Candidate
    number: int
    epochs: int | None = None

    @property
    def key(self) -> str:
        """Its name in the study. One for other epochs is another training, and replaces none."""
        return f"final-{self.candidate.id}-{self.number}{_suffix(self.epochs)}"

    @property
    def seed(self) -> int:
        """What ``seed_everything`` is given: another for each, and none that the search has used for it."""
        return (self.candidate.seed + SEED_STEP * (self.number + 1)) % 2**31

    @property
    def overlay(self) -> dict[str, Any]:
        """What is laid over the config."""
        return {**self.candidate.overlay, **Final(epochs=self.epochs).overlay}


def planned(front: Sequence[Told], final: Final) -> list[FinalTraining]:
    """Return the trainings that a front is owed."""
    chosen = spread(front, final.top_k)
    return [
        FinalTraining(one.candidate, number, final.epochs) for one in chosen for number in range(final.seeds)
    ]


def belonging(finals: Mapping[str, Any], final: Final | None) -> dict[str, Any]:
    """Return the results of the trainings that were as long as they are to be now; without a wish, all."""
    if final is None:
        return dict(finals)
    suffix = _suffix(final.epochs)
    return {key: result for key, result in finals.items() if key == key.partition(_EPOCHS)[0] + suffix}


def handed_over(finals: Mapping[str, Any], candidate: Candidate) -> FinalTraining | None:
    """Return the training whose checkpoint is handed over: the candidate's first good one that has one."""
    found = []
    for key, result in finals.items():
        path = result["artifacts"].get("checkpoint")
        good = result["candidate"] == candidate.id and result["status"] == "ok"
        if good and path is not None and Path(path).is_file():
            name, _, epochs = key.partition(_EPOCHS)
            number = int(name.rpartition("-")[2])
            found.append(FinalTraining(candidate, number, int(epochs) if epochs else None))
    return min(found, key=lambda training: training.number, default=None)


def _suffix(epochs: int | None) -> str:
    return "" if epochs is None else f"{_EPOCHS}{epochs}"


def spread(front: Sequence[Told], count: int) -> list[Told]:
    """Return so many of the front, evenly spread from its first to its last."""
    if count >= len(front):
        return list(front)
    places = [round(n * (len(front) - 1) / max(1, count - 1)) for n in range(count)]
    return [front[place] for place in dict.fromkeys(places)]


def finals_table(finals: Mapping[str, Any], front: Sequence[Told]) -> pd.DataFrame:
    """Return the mean and the spread of each figure of the final trainings, a row per network.

    The spread is the sample's standard deviation over the seeds; NaN for one seed.
    """
    import pandas as pd

    places = {one.candidate.id: place for place, one in enumerate(front, start=1)}
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for result in finals.values():
        groups.setdefault(result["candidate"], []).append(result)
    rows = []
    for id, results in sorted(groups.items(), key=lambda pair: places.get(pair[0], len(places))):
        good = pd.DataFrame([r["values"] for r in results if r["status"] == "ok"], dtype=float)
        row: dict[str, Any] = {"place": places.get(id), "candidate": id, "trained": len(good)}
        row["failed"] = len(results) - len(good)
        for name in good:
            row[str(name)] = good[name].mean()
            row[f"{name} (spread)"] = good[name].std(ddof=1)
        rows.append(row)
    return pd.DataFrame(rows)


def final_lines(table: pd.DataFrame) -> list[str]:
    """Return a line for each row of `finals_table`: what tests gave, as mean and spread."""
    import pandas as pd

    lines = []
    for _, row in table.iterrows():
        tested = [name for name in table.columns if name.startswith("test_") and f"{name} (spread)" in table]
        gave = ", ".join(
            f"{name} {format_number(row[name])}{spread_of(row, name, ' ± ')}"
            for name in tested
            if pd.notna(row[name])
        )
        earlier = pd.isna(row["place"])
        place = "a network of an earlier front" if earlier else f"network {row['place']:.0f}"
        failed = f", {row['failed']:.0f} failed" if row["failed"] else ""
        lines.append(
            f"final, {place} ({counted(int(row['trained']), 'training')}{failed}): "
            f"{gave or 'nothing was tested'}"
        )
    return lines


def spread_of(row: pd.Series[Any], name: str, before: str = "") -> str:
    """Return the spread of a figure in a row of `finals_table`, as text; none of one training."""
    spread = float(row[f"{name} (spread)"])
    return "" if math.isnan(spread) else f"{before}{spread:.2g}"
