"""The tables of docs/plugins/attention_granger.md, from the rows that the benchmark has left.

    python benchmarks/attention_granger_tables.py --gather runs/ag_table   # rows into results/
    python benchmarks/attention_granger_tables.py                            # prints the tables
    python benchmarks/attention_granger_tables.py --write                    # puts them into the page

Rows are gathered from folders and from bundles (a file, a row a line); a row that two of them hold is taken
from the first. In the page each table stands between ``<!-- table NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fulmen import new_figure, write_artifact

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "attention_granger.json"
PAGE = ROOT / "docs" / "plugins" / "attention_granger.md"
PICTURE = ROOT / "docs" / "images" / "attention_granger.png"
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
}
BLURRED = {"missing": "missing 30 %", "noise": "noise 50 %"}
Row = dict[str, Any]


def gather(places: Sequence[Path]) -> list[Row]:
    """Return the rows of folders and bundles, without what no table shows."""
    dropped = {"losses", "source"}
    rows: dict[tuple[str, str, int], Row] = {}
    for place in places:
        if place.is_dir():
            texts = [file.read_text() for file in sorted(place.glob("*.json"))]
        else:
            texts = place.read_text().splitlines()
        for row in map(json.loads, texts):
            kept = {key: value for key, value in row.items() if key not in dropped}
            rows.setdefault((row["section"], row["case"], row["seed"]), kept)
    return [rows[key] for key in sorted(rows, key=_numbers_by_size)]


def _numbers_by_size(key: tuple[str, str, int]) -> tuple[str, list[tuple[float, str]], int]:
    """Return a key that puts N 5 before N 10, and the cases of a size in the order of their names."""
    section, case, seed = key
    words = [(float(word), "") if re.fullmatch(r"\d*\.?\d+", word) else (0.0, word) for word in case.split()]
    return section, words, seed


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
    """Return the mean CPU time, or the mean time on a GPU where all rows ran there."""
    on_cpu = [row["seconds"] for row in rows if row.get("device", "cpu") == "cpu"]
    if on_cpu:
        return f"{np.mean(on_cpu):.0f}"
    return f"{np.mean([row['seconds'] for row in rows]):.0f} on {rows[0]['device'].split()[-1]}"


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
        "VAR-Granger", "with diagonal", "published attention", "published MVGC", "s",
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
            ("system", "runs", "AUROC, mean (worst)", "AUPRC", "raw attention", *names, "s"), lines
        )

    return table


def blurred(section: str) -> Callable[[Sequence[Row]], str]:
    """Return the table of a section of recordings that were spoilt, beside the same ones as they were."""

    def table(rows: Sequence[Row]) -> str:
        whole = {(row["case"], row["seed"]): row for row in rows if row["section"] == "choice"}
        lines = []
        for case, mine in by_case(rows, section).items():
            twins = [whole[case, row["seed"]] for row in mine if (case, row["seed"]) in whole]
            lines.append(
                [
                    case, str(len(mine)), mean_worst(ours(mine)), mean_worst(ours(mine, "auprc")),
                    mean_worst(ours(twins)), f"{np.mean(ours(mine, score='attention')):.3f}",
                    " / ".join((theirs(mine, "var_granger"), theirs(mine, "var_granger", "auprc"))),
                    seconds(mine),
                ]
            )  # fmt: skip
        header = (
            "system", "runs", "AUROC, mean (worst)", "AUPRC", "before: AUROC", "raw attention",
            "var_granger", "s",
        )  # fmt: skip
        return markdown(header, lines)

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
            if flagged
        )
        lines.append(
            [
                case, str(len(mine)), *_shares([row["discoveries"] for row in mine]),
                f"{np.mean([row['false_positive_rate'] for row in mine]):.3f}", *_shares(linear),
                flags,
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
        seeds = [len(row["paper"]["epochs"]) for row in mine]
        epochs = [sum(row["paper"]["epochs"]) for row in mine]
        took = [row | {"seconds": row["paper"]["seconds"]} for row in mine]
        lines.append(
            [
                case, str(len(mine)), f"{np.mean([row['paper']['auroc'] for row in mine]):.3f}",
                f"{np.mean([row['paper']['auroc_diagonal'] for row in mine]):.3f}",
                theirs(mine, "var_granger"), theirs(mine, "var_granger", "auroc_diagonal"), *counts,
                f"{np.mean(ours(mine)):.3f}", _span(seeds), _span(epochs),
                f"{np.mean([row['paper']['r2'] for row in mine]):.2f}",
                seconds(took),
            ]
        )  # fmt: skip
    header = (
        "network", "runs", "paper's attention", "with diagonal", "VAR-Granger", "with diagonal",
        "wins / ties / losses", "with diagonal", "knock-out", "seeds", "epochs of all seeds", "R2", "s",
    )  # fmt: skip
    return markdown(header, lines)


def _span(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def invariance(rows: Sequence[Row]) -> str:
    """Return how alike two graphs are, of a recording and of the same with its variables moved about."""
    lines = [
        [case, str(len(mine)), f"{min(row['correlation'] for row in mine):.7f}"]
        for case, mine in by_case(rows, "invariance").items()
    ]
    return markdown(("linear VAR, T = 500", "runs", "correlation of the scores, worst"), lines)


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
    **{name: blurred(section) for name, section in BLURRED.items()},
    "choice": choice,
    "discoveries": discoveries,
    "nulls": nulls,
    "switch": switch,
    "paper": paper,
    "invariance": invariance,
    "cost": cost,
}


METHODS = {  # how each is drawn: label, marker, colour
    "contribution": ("held-out knock-out (the default)", "o", "#1b6ca8"),
    "attention": ("raw attention of the same networks", "_", "#1b6ca8"),
    "spike_regression": ("spike regression", "^", "#e07b39"),
    "var_granger": ("VAR-Granger", "s", "#8a8a8a"),
    "pcmci_parcorr": ("PCMCI, ParCorr", "D", "#6a9f58"),
    "published": ("published attention, diagonal included", "x", "#b03a5b"),
}
DRAWN = ("izhikevich", "no clean spikes", "lorenz96", "henon", "linear var", "missing 30 %", "noise 50 %")


def picture(rows: Sequence[Row]) -> bytes:
    """Return a PNG: the mean AUROC of each case, ours and the others', a line a case."""
    cases = [(section, case, mine) for section in DRAWN for case, mine in by_case(rows, section).items()]
    figure, panel = new_figure(size=(9.0, 0.23 * len(cases) + 1.4))
    for place, (section, case, mine) in enumerate(cases):
        points = {name: np.mean(ours(mine, score=name)) for name in ("contribution", "attention")}
        for name in mine[0]["opponents"]:
            if name in METHODS and theirs(mine, name)[:1] in ("0", "1"):
                points[name] = float(theirs(mine, name))
        network = re.fullmatch(r"N (\d+) p ([\d.]+)", case)
        if section == "izhikevich" and network is not None:
            points["published"] = PUBLISHED[int(network[1])][DENSITIES.index(network[2])][1]
        for name, value in points.items():
            _, marker, colour = METHODS[name]
            size = 9 if marker == "_" else 6
            panel.plot(
                value,
                -place,
                marker,
                color=colour,
                ms=size,
                mew=1.8,
                zorder=3 if name == "contribution" else 2,
            )
        if place and cases[place - 1][0] != section:
            panel.axhline(0.5 - place, color="#cccccc", lw=0.8)
    panel.set_yticks([-place for place in range(len(cases))], [f"{s}: {c}" for s, c, _ in cases], fontsize=8)
    panel.set_xlabel("AUROC off the diagonal, mean over the runs (1 = perfect, .5 = chance)")
    panel.set_xlim(0.45, 1.01)
    panel.set_ylim(0.7 - len(cases), 0.7)
    handles = [
        panel.plot([], [], marker, color=colour, ms=6, mew=1.8, label=label)[0]
        for label, marker, colour in METHODS.values()
    ]
    panel.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.35, -0.06), ncols=3, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()


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
    parser.add_argument("--gather", type=Path, nargs="+", help="folders of rows, and bundles")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.gather is not None:
        write_artifact(RESULTS, json.dumps(gather(arguments.gather), indent=1).encode())
    rows = json.loads(RESULTS.read_text())
    if arguments.write:
        write_artifact(PAGE, filled(PAGE.read_text(), rows).encode())
        write_artifact(PICTURE, picture(rows))
        return
    for name, table in TABLES.items():
        print(f"\n{name}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
