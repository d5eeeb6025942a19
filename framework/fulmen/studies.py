"""``fulmen studies``: look at searches, wait with them, ask one to end, take one elsewhere. No torch here."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from fulmen.analysis.formatting import format_number
from fulmen.artifacts import write_artifact
from fulmen.errors import ConfigError, UserError
from fulmen.search.cards import glance
from fulmen.search.finals import FINALS
from fulmen.search.objectives import front, parse
from fulmen.search.progress import duration, standing
from fulmen.searching import Objective
from fulmen.study import Study, Told
from fulmen.study.store import NAME

CELL = 60  # letters of a table's cell

USAGE = """\
usage: fulmen studies list [FOLDER]        List the searches below a folder (default: runs).
       fulmen studies show RUN             Show where a search stands, and its front.
       fulmen studies watch RUN            Show it again and again until it ends (Ctrl-C leaves it alone).
       fulmen studies stop RUN             Ask a running search to finish what runs, and end.
       fulmen studies compare RUN RUN ...  Compare searches of the same objectives.
       fulmen studies export RUN FILE      Write it as .csv, .parquet, .jsonl, or for Optuna as .db.

RUN is the folder of a search. A search goes on by its own command; a larger budget extends it.
"""

WATCH_EVERY = 2.0  # seconds


def run(argv: Sequence[str]) -> int:
    """Run one of the commands; return the exit status."""
    commands: dict[str, tuple[Callable[..., None], int, int]] = {
        "list": (_list, 0, 1),
        "show": (_show, 1, 1),
        "watch": (_watch, 1, 1),
        "stop": (_stop, 1, 1),
        "compare": (_compare, 2, 100),
        "export": (_export, 2, 2),
    }
    if not argv or set(argv) & {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return 0
    name, *words = argv
    if name not in commands:
        raise ConfigError(f"studies: no command {name!r}; there are {', '.join(commands)}.")
    command, least, most = commands[name]
    if not least <= len(words) <= most:
        found = "nothing is" if not words else "1 word is" if len(words) == 1 else f"{len(words)} words are"
        raise ConfigError(f"studies {name}: {found} given; expected `{_usage_of(name)}`.")
    command(*words)
    return 0


def _usage_of(name: str) -> str:
    """Return the command line of a command, as the usage has it."""
    line = next(line for line in USAGE.splitlines() if f"fulmen studies {name} " in line)
    return line.removeprefix("usage:").strip().partition("  ")[0]


class Search:
    """A search as its folder tells it.

    Args:
        folder: The run's.

    Raises:
        UserError: the folder holds no search.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        with Study.read(self.folder) as study:
            self.told: list[Told] = study.told()
            self.counts = study.counts()
            self.seconds: float = study.get("seconds") or 0.0
            planned: list[str] | None = study.get(FINALS)
            done = study.finals()
            self.finals = None if planned is None else (sum(key in done for key in planned), len(planned))
        try:
            config = yaml.safe_load((self.folder / "config.yaml").read_text())
            self.state = str(json.loads((self.folder / "status.json").read_text())["state"])
        except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
            raise UserError(
                f"{folder}: is no whole run folder ({error}); give the folder of a search."
            ) from error
        self.objectives: list[Objective] = parse(config["objectives"])
        if self.state == "running" and not _is_locked(self.folder):
            self.state = "interrupted"

    @property
    def line(self) -> str:
        """Where it stands, in one line."""
        running = self.counts["asked"] - len(self.told) if self.state == "running" else 0
        now = replace(standing(self.told, self.objectives, running, self.seconds), finals=self.finals)
        return f"{self.state}, {now.line()}, worked {duration(self.seconds)}"

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows of its front, the head first."""
        names = [objective.name for objective in self.objectives]
        best = front(self.told, self.objectives)
        keys = list(dict.fromkeys(key for one in best for key in one.candidate.overlay))
        yield ["candidate", *names, *keys]
        for one in best:
            values = [format_number(one.evaluation.values[name]) for name in names]
            yield [str(one.candidate.id), *values, *(_short(one.candidate.overlay.get(key)) for key in keys)]


def _list(folder: str = "runs") -> None:
    found = sorted(Path(folder).glob(f"**/{NAME}"))
    if not found:
        raise UserError(f"{folder}: holds no search; give the folder that your runs are in.")
    for path in found:
        try:
            line = Search(path.parent).line
        except UserError as error:
            line = f"[{error}]"
        sys.stdout.write(f"{path.parent}: {line}\n")


def _show(folder: str) -> None:
    search = Search(folder)
    sys.stdout.write(f"{search.line}\n\n{_table(list(search.rows()))}")


def _watch(folder: str) -> None:
    before = ""
    while True:
        search = Search(folder)
        if search.line != before:
            before = search.line
            sys.stdout.write(f"{before}\n")
            sys.stdout.flush()
        if search.state != "running":
            return
        time.sleep(WATCH_EVERY)


def _stop(folder: str) -> None:
    if Search(folder).state != "running":
        raise UserError(f"{folder}: no process is working on this search; there is nothing to stop.")
    write_artifact(Path(folder) / "stop", "")
    sys.stdout.write(f"{folder}: it ends when what runs has finished; the same command goes on.\n")


def _compare(*folders: str) -> None:
    import numpy as np

    from fulmen.search.objectives import costs_of
    from fulmen.search.pareto import hypervolume

    searches = [Search(folder) for folder in folders]
    first = searches[0].objectives
    for search in searches[1:]:
        if [(o.name, o.mode) for o in search.objectives] != [(o.name, o.mode) for o in first]:
            raise UserError(
                f"{search.folder}: has other objectives than {searches[0].folder}; they cannot be compared."
            )
    fronts = [front(search.told, first) for search in searches]
    costs = [
        np.array([costs_of(o.evaluation.values, first) for o in one]).reshape(-1, len(first))
        for one in fronts
    ]
    together = np.concatenate(costs)
    if not len(together):
        raise UserError("none of them has a result with values; there is nothing to compare.")
    # One reference point for all: the worst of all fronts, and a tenth beyond it.
    worst, best = together.max(0), together.min(0)
    reference = (worst + 0.1 * np.where(worst > best, worst - best, 1.0)).tolist()
    head = ["search", "told", "failed", "front", "hypervolume", *(f"best {o.name}" for o in first)]
    rows = [head]
    for search, one, cost in zip(searches, fronts, costs, strict=True):
        now = standing(search.told, first, 0, search.seconds)
        row = [str(search.folder), str(len(search.told)), str(sum(now.failed.values())), str(len(one))]
        row += [format_number(hypervolume(cost, reference))]
        rows.append(row + [format_number(now.best[o.name]) if o.name in now.best else "-" for o in first])
    sys.stdout.write(_table(rows))
    names = [objective.name for objective in first]
    point = costs_of(dict(zip(names, reference, strict=True)), first)  # its own inverse
    told = ", ".join(f"{name} {format_number(value)}" for name, value in zip(names, point, strict=True))
    sys.stdout.write(
        f"\nThe hypervolumes are measured from one point for all, a tenth beyond the worst of the fronts "
        f"({told}); a search alone measures its own from the worst of its first ten results.\n"
    )


def _export(folder: str, file: str) -> None:
    from fulmen.study.export import export

    search = Search(folder)
    count = export(search.told, search.objectives, Path(file), name=search.folder.name)
    sys.stdout.write(f"{file}: {count} candidates.\n")


def _is_locked(folder: Path) -> bool:
    """Whether a process is working on a run."""
    import fcntl

    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _short(value: Any) -> str:
    text = format_number(value) if isinstance(value, float) else str(glance(value))
    return text if len(text) <= CELL else text[: CELL - 3] + "..."


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)
