"""The tables of docs/plugins/attention_granger.md, from the rows that the benchmark has left.

    python benchmarks/attention_granger_tables.py --gather runs/ag_table   # rows into results/
    python benchmarks/attention_granger_tables.py                            # prints the tables
    python benchmarks/attention_granger_tables.py --write                    # puts them into the page

In the page each table stands between ``<!-- table NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fulmen import write_artifact

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "attention_granger.json"
PAGE = ROOT / "docs" / "plugins" / "attention_granger.md"
# Mean AUROC over 10 networks, the diagonal included, from the result files of ziyulu-uw/causalformer:
# (MVGC with AIC, the paper's attention). Rows: neurons; columns: p = .2, .4, .6, .8.
PUBLISHED = {
    5: ((0.951, 0.948), (0.976, 0.958), (0.976, 0.973), (0.977, 0.977)),
    10: ((0.955, 0.967), (0.951, 0.974), (0.939, 0.967), (0.944, 0.961)),
    20: ((0.934, 0.972), (0.910, 0.976), (0.849, 0.961), (0.810, 0.948)),
    40: ((0.881, 0.950), (0.788, 0.927), (0.692, 0.885), (0.611, 0.758)),
}
DENSITIES = ("0.2", "0.4", "0.6", "0.8")
RANKED = {
    "no clean spikes": "no clean spikes",
    "lorenz96": "lorenz96",
    "henon": "henon",
    "linear var": "linear var",
    "missing": "missing 30 %",
    "noise": "noise 50 %",
}
Row = dict[str, Any]


def gather(folder: Path) -> list[Row]:
    """Return the rows of a folder, without what no table shows."""
    dropped = {"losses", "source"}
    rows = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    return [{key: value for key, value in row.items() if key not in dropped} for row in rows]


def by_case(rows: Sequence[Row], section: str) -> dict[str, list[Row]]:
    """Return the rows of a section, case by case."""
    chosen = [row for row in rows if row["section"] == section]
    return {name: [row for row in chosen if row["case"] == name] for name in dict.fromkeys(_names(chosen))}


def _names(rows: Sequence[Row]) -> list[str]:
    return [row["case"] for row in rows]


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    out = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*out, *("| " + " | ".join(line) + " |" for line in lines)])


def mean_worst(values: Sequence[float]) -> str:
    """Return mean and worst."""
    return f"{np.mean(values):.3f} ({min(values):.3f})" if values else ""


def ours(rows: Sequence[Row], figure: str = "auroc", score: str = "contribution") -> list[float]:
    """Return a figure of ours, row by row."""
    return [row["scores"][score][figure] for row in rows]


def theirs(rows: Sequence[Row], name: str, figure: str = "auroc") -> str:
    """Return the mean of an opponent's figure, or its note."""
    got = [row["opponents"][name] for row in rows if name in row["opponents"]]
    finished = [one[figure] for one in got if figure in one]
    if finished:
        return f"{np.mean(finished):.3f}"
    return got[0].get("note", "") if got else ""


def seconds(rows: Sequence[Row]) -> str:
    """Return the mean CPU time."""
    return f"{np.mean([row['seconds'] for row in rows]):.0f}"


def izhikevich(rows: Sequence[Row]) -> str:
    """Return the networks of the paper, beside what was published."""
    lines = []
    for name, mine in by_case(rows, "izhikevich").items():
        place = re.fullmatch(r"N (\d+) p ([\d.]+)", name)
        mvgc, paper = ("", "")
        if place is not None:
            mvgc, paper = (f"{x:.3f}" for x in PUBLISHED[int(place[1])][DENSITIES.index(place[2])])
        lines.append(
            [
                name, str(len(mine)), mean_worst(ours(mine)), mean_worst(ours(mine, "auprc")),
                f"{np.mean(ours(mine, score='attention')):.3f}", theirs(mine, "spike_regression"),
                theirs(mine, "var_granger"), f"{np.mean(ours(mine, 'auroc_diagonal')):.3f}", paper, mvgc,
                seconds(mine),
            ]
        )  # fmt: skip
    header = (
        "network", "runs", "AUROC, mean (worst)", "AUPRC", "raw attention", "spike regression",
        "VAR-Granger", "with diagonal", "published attention", "published MVGC", "CPU s",
    )  # fmt: skip
    return markdown(header, lines)


def ranked(section: str) -> Callable[[Sequence[Row]], str]:
    """Return the table of a section of rankings beside its opponents."""

    def table(rows: Sequence[Row]) -> str:
        cases = by_case(rows, section)
        names = list(
            dict.fromkeys(name for mine in cases.values() for row in mine for name in row["opponents"])
        )
        lines = [
            [
                case, str(len(mine)), mean_worst(ours(mine)), mean_worst(ours(mine, "auprc")),
                f"{np.mean(ours(mine, score='attention')):.3f}",
                *(
                    " / ".join(filter(None, (theirs(mine, name), theirs(mine, name, "auprc"))))
                    for name in names
                ),
                seconds(mine),
            ]
            for case, mine in cases.items()
        ]  # fmt: skip
        return markdown(
            ("system", "runs", "AUROC, mean (worst)", "AUPRC", "raw attention", *names, "CPU s"), lines
        )

    return table


def choice(rows: Sequence[Row]) -> str:
    """Return what choosing the member costs."""
    lines = []
    for case, mine in by_case(rows, "choice").items():
        best = [max(one["auroc"] for one in row["members"].values()) for row in mine]
        loss = [b - o for b, o in zip(best, ours(mine), strict=True)]
        chosen = ", ".join(dict.fromkeys(row["member"] for row in mine))
        lags = ", ".join(dict.fromkeys(str(row["lags"]) for row in mine))
        lines.append(
            [
                case,
                str(len(mine)),
                chosen,
                lags,
                mean_worst(ours(mine)),
                f"{np.mean(loss):.3f}",
                f"{max(loss):.3f}",
            ]
        )
    return markdown(("system", "runs", "chosen", "lags", "AUROC", "loss to the best member", "worst"), lines)


def discoveries(rows: Sequence[Row]) -> str:
    """Return the choices of edges at q = .1."""
    lines = []
    for case, mine in by_case(rows, "discoveries").items():
        linear = [row["opponents"]["var_granger"]["discoveries"] for row in mine]
        flagged = [row["flagged"] for row in mine if "flagged" in row]
        flags = "; ".join(
            f"{np.mean([one[key] for one in flagged if one[key] is not None]):.2f} of {label}"
            for key, label in (("confounded", "confounded pairs"), ("edges", "edges"))
        )
        lines.append(
            [
                case, str(len(mine)), *_shares([row["discoveries"] for row in mine]),
                f"{np.mean([row['false_positive_rate'] for row in mine]):.3f}", *_shares(linear),
                flags if flagged else "",
            ]
        )  # fmt: skip
    header = (
        "system", "runs", "false discoveries", "power", "false positives at .05",
        "VAR-Granger: false discoveries", "power", "flagged",
    )  # fmt: skip
    return markdown(header, lines)


def _shares(found: Sequence[dict[str, float]]) -> tuple[str, str]:
    return f"{np.mean([f['fdr'] for f in found]):.2f}", f"{np.mean([f['power'] for f in found]):.2f}"


def nulls(rows: Sequence[Row]) -> str:
    """Return what is found where there is nothing."""
    lines = []
    for case, mine in by_case(rows, "nulls").items():
        linear = [row["opponents"]["var_granger"] for row in mine]
        lines.append(
            [
                case, str(len(mine)), f"{np.mean([row['discoveries']['false'] > 0 for row in mine]):.2f}",
                f"{np.mean([row['false_positive_rate'] for row in mine]):.3f}",
                f"{np.mean([one['discoveries']['false'] > 0 for one in linear]):.2f}",
                f"{np.mean([one['false_positive_rate'] for one in linear]):.3f}",
            ]
        )  # fmt: skip
    header = (
        "null", "runs", "runs with an edge", "false positives at .05",
        "VAR-Granger: runs with an edge", "false positives",
    )  # fmt: skip
    return markdown(header, lines)


def switch(rows: Sequence[Row]) -> str:
    """Return the graphs that change in the middle of the time."""
    lines = [
        [
            case,
            str(len(mine)),
            *(mean_worst([row["halves"][half] for row in mine]) for half in mine[0]["halves"]),
        ]
        for case, mine in by_case(rows, "switch").items()
    ]
    return markdown(("system", "runs", "AUROC, first half", "second half"), lines)


def paper(rows: Sequence[Row]) -> str:
    """Return the paper's claim as it was made: its own model beside VAR-Granger."""
    lines = []
    for case, mine in by_case(rows, "paper").items():
        counts = []
        for figure in ("auroc", "auroc_diagonal"):
            gain = np.array([row["paper"][figure] - row["opponents"]["var_granger"][figure] for row in mine])
            counts.append(f"{(gain > 0.005).sum()} / {(abs(gain) <= 0.005).sum()} / {(gain < -0.005).sum()}")
        epochs = [sum(row["paper"]["epochs"]) for row in mine]
        lines.append(
            [
                case, str(len(mine)), f"{np.mean([row['paper']['auroc'] for row in mine]):.3f}",
                f"{np.mean([row['paper']['auroc_diagonal'] for row in mine]):.3f}",
                theirs(mine, "var_granger"), theirs(mine, "var_granger", "auroc_diagonal"), *counts,
                f"{np.mean(ours(mine)):.3f}", f"{min(epochs)}-{max(epochs)}",
                f"{np.mean([row['paper']['r2'] for row in mine]):.2f}",
                f"{np.mean([row['paper']['seconds'] for row in mine]):.0f}",
            ]
        )  # fmt: skip
    header = (
        "network", "runs", "paper's attention", "with diagonal", "VAR-Granger", "with diagonal",
        "wins / ties / losses", "with diagonal", "knock-out", "epochs of all seeds", "R2", "CPU s",
    )  # fmt: skip
    return markdown(header, lines)


def cost(rows: Sequence[Row]) -> str:
    """Return time and memory."""
    lines = [
        [
            case, seconds(mine), f"{max(row['memory_gib'] for row in mine):.1f}",
            theirs(mine, "pcmci_parcorr", "seconds"),
        ]
        for case, mine in by_case(rows, "cost").items()
    ]  # fmt: skip
    return markdown(("linear VAR", "CPU s", "GiB", "PCMCI, CPU s"), lines)


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "izhikevich": izhikevich,
    **{name: ranked(section) for name, section in RANKED.items()},
    "choice": choice,
    "discoveries": discoveries,
    "nulls": nulls,
    "switch": switch,
    "paper": paper,
    "cost": cost,
}


def filled(page: str, rows: Sequence[Row]) -> str:
    """Return the page with its tables made anew."""
    for name, table in TABLES.items():
        text = table(rows)
        text = text if text.count("\n") > 1 else "Not drawn yet."
        made = f"<!-- table {name} -->\n\n{text}\n\n<!-- end -->"
        page = re.sub(
            rf"<!-- table {name} -->.*?<!-- end -->", lambda _, made=made: made, page, flags=re.DOTALL
        )
    return page


def main() -> None:
    """Gather, print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gather", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.gather is not None:
        write_artifact(RESULTS, json.dumps(gather(arguments.gather), indent=1).encode())
    rows = json.loads(RESULTS.read_text())
    if arguments.write:
        write_artifact(PAGE, filled(PAGE.read_text(), rows).encode())
        return
    for name, table in TABLES.items():
        print(f"\n{name}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
