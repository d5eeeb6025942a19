"""What comes back of a search: a table of the front, a config and a checkpoint for each of its networks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.analysis import Report
from fulmen.analysis.figures import new_figure
from fulmen.analysis.formatting import format_number
from fulmen.artifacts import artifact_folder, write_artifact
from fulmen.search.cards import glance
from fulmen.search.finals import final_lines, finals_table
from fulmen.search.progress import Standing, counted
from fulmen.searching import Objective
from fulmen.study import Told
from fulmen.study.columns import cell, of_one_type

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = "networks"
DECADES = 50  # a logarithmic axis where the largest value is more than so many times the smallest


def front_table(
    front: Sequence[Told], objectives: Sequence[Objective], at_a_glance: bool = False
) -> pd.DataFrame:
    """Return a row per network of the front: its place, id, objectives, parents and overlay.

    Args:
        front: The networks.
        objectives: Of the search.
        at_a_glance: Of a network's layers what they are, without their options.
    """
    import pandas as pd

    rows = []
    for place, one in enumerate(front, start=1):
        row: dict[str, Any] = {"place": place, "candidate": one.candidate.id}
        row |= {o.name: one.evaluation.values[o.name] for o in objectives}
        row["parents"] = " ".join(map(str, one.candidate.parents))
        row |= {
            key: cell(glance(value) if at_a_glance else value) for key, value in one.candidate.overlay.items()
        }
        rows.append(row)
    columns = ["place", "candidate", *(o.name for o in objectives), "parents"]
    return of_one_type(pd.DataFrame(rows)) if rows else pd.DataFrame(columns=columns)


def candidates_table(told: Sequence[Told], objectives: Sequence[Objective]) -> pd.DataFrame:
    """Return a row per candidate, in the order of telling: what it was, and what became of it.

    Of a network's layers only what they are: all their options would fill the page. The study has them.
    """
    import pandas as pd

    rows = [
        {
            "candidate": one.candidate.id,
            "status": one.evaluation.status,
            **{o.name: one.evaluation.values.get(o.name, float("nan")) for o in objectives},
            "seconds": one.evaluation.seconds,
            "seed": one.candidate.seed,
            "parents": " ".join(map(str, one.candidate.parents)),
            "failure": one.evaluation.failure or "",
            **{key: cell(glance(value)) for key, value in one.candidate.overlay.items()},
        }
        for one in told
    ]
    columns = ["candidate", "status", *(o.name for o in objectives), "seconds", "seed", "parents", "failure"]
    return of_one_type(pd.DataFrame(rows)) if rows else pd.DataFrame(columns=columns)


@dataclass(frozen=True)
class Network:
    """What is handed over of one network of the front.

    Attributes:
        config: For ``fit``, ``test``, ``predict``; YAML.
        card: What there is to say of it; Markdown.
        checkpoint: Where its weights lie now; None: nowhere.
    """

    config: str
    card: str
    checkpoint: Path | None


def write_networks(folder: Path, front: Sequence[Network]) -> None:
    """Write a config, a checkpoint and a card for each network of the front; ``fit`` needs nothing else.

    Args:
        folder: The run's; its ``networks`` is replaced as a whole.
        front: The networks, best in the first objective first.
    """
    with artifact_folder(folder / NETWORKS) as networks:
        for place, one in enumerate(front, start=1):
            (networks / f"{place}.yaml").write_text(one.config)
            (networks / f"{place}.md").write_text(one.card)
            if one.checkpoint is not None and one.checkpoint.is_file():
                shutil.copyfile(one.checkpoint, networks / f"{place}.ckpt")


def make_report(
    told: Sequence[Told],
    front: Sequence[Told],
    objectives: Sequence[Objective],
    finals: Mapping[str, Any],
    now: Standing,
) -> Report:
    """Return the report of a search."""
    scalars = {"evaluations": float(len(told)), "front": float(len(front)), "per_hour": now.per_hour}
    scalars |= {f"best/{name}": value for name, value in now.best.items()}
    if now.volume is not None:
        scalars["hypervolume"] = now.volume
    tables = {
        "front": front_table(front, objectives, at_a_glance=True),
        "candidates": candidates_table(told, objectives),
    }
    if finals:
        tables["final"] = finals_table(finals, front)
    figures = {"front": front_figure(told, front, objectives)} if now.done else {}
    failed = ", ".join(f"{count} {status}" for status, count in sorted(now.failed.items()))
    findings = [
        f"{counted(len(told), 'candidate')} {'was' if len(told) == 1 else 'were'} evaluated"
        + (f"; without values: {failed}." if failed else ", all with values.")
    ]
    if not told:
        findings = [
            "None was evaluated: the budget ended before the first was, or the searcher asked for none."
        ]
    if not now.best and (reason := next((o.evaluation.failure for o in told if o.evaluation.failure), None)):
        findings.append(f"The first of them failed so: {reason}")
    findings += [f"best {name}: {format_number(value)}" for name, value in now.best.items()]
    if finals:
        findings += final_lines(tables["final"])
        findings.append(
            "The objectives of the front are those of the search, whose best are its luckiest too; the final "
            "trainings were done with other seeds, and tested on data that no candidate saw."
        )
    return Report(title="search", scalars=scalars, tables=tables, figures=figures, findings=findings)


def front_figure(told: Sequence[Told], front: Sequence[Told], objectives: Sequence[Objective]) -> Any:
    """Return the picture of the first two objectives with their bounds, or of a single one over time."""
    good = [one for one in told if one.evaluation.status == "ok"]
    figure, axes = new_figure(caption=f"{len(good)} candidates, and the {len(front)} that no other beats.")
    names = [o.name for o in objectives]

    def points(which: Sequence[Told]) -> tuple[list[float], list[float]]:
        if len(names) == 1:
            return [float(o.candidate.id) for o in which], [o.evaluation.values[names[0]] for o in which]
        return tuple([o.evaluation.values[name] for o in which] for name in names[1::-1])  # type: ignore[return-value]

    axes.scatter(*points(good), s=12, alpha=0.4, label="evaluated")
    axes.plot(*points(sorted(front, key=lambda o: points([o])[0])), "o-", ms=5, lw=1, label="front")
    bounded = [(place, o.bound) for place, o in enumerate(objectives[:2]) if o.bound is not None]
    for place, bound in bounded:
        line = (axes.axhline, axes.axvline)[place](bound, color="0.5", ls="--", lw=1)
        line.set_label("bound" if (place, bound) == bounded[0] else None)
    for set_scale, values in zip((axes.set_xscale, axes.set_yscale), points(good), strict=True):
        if len(names) > 1 and values and min(values) > 0 and max(values) > DECADES * min(values):
            set_scale("log")
    axes.set_xlabel("candidate" if len(names) == 1 else names[1])
    axes.set_ylabel(names[0])
    axes.legend(frameon=False)
    return figure


def write_tables(
    folder: Path, told: Sequence[Told], front: Sequence[Told], objectives: Sequence[Objective]
) -> None:
    """Write ``front.csv``."""
    write_artifact(folder / "front.csv", front_table(front, objectives).to_csv(index=False))
