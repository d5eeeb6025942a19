"""What somebody who is handed a network wants to know: where it comes from, what it gave, how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fulmen.analysis.formatting import format_number
from fulmen.search.finals import FinalTraining, finals_table, handed_over, spread_of
from fulmen.search.progress import counted
from fulmen.searching import Candidate, Objective
from fulmen.study import Told

MOST_ANCESTORS = 30  # of which a card tells; the table of candidates has all


def lineage(candidate: Candidate, candidates: Mapping[int, Candidate]) -> list[Candidate]:
    """Return a candidate's ancestors along its first parents, the oldest first, and itself at the end.

    Args:
        candidate: Whose.
        candidates: All that were asked for, by their ids.
    """
    line = [candidate]
    while line[0].parents and (parent := candidates.get(line[0].parents[0])) is not None:
        if parent.id >= line[0].id:  # no parent is younger: a searcher that says so would never end
            break
        line.insert(0, parent)
    return line


def changes(parent: Candidate, child: Candidate) -> list[str]:
    """Return what a child's overlay has that its parent's has not, a line of Markdown each."""
    found = []
    for key, value in child.overlay.items():
        before = parent.overlay.get(key)
        if value == before:
            continue
        if isinstance(value, list) and isinstance(before, list):
            found.append(f"`{key}`: {_list_change(before, value)}")
        else:
            found.append(f"`{key}`: {_short(before)} became {_short(value)}")
    return found


def _list_change(before: list[Any], after: list[Any]) -> str:
    gone = [item for item in before if item not in after]
    new = [item for item in after if item not in before]
    parts = []
    for item in list(gone):
        name = class_name(item)
        changed = next((other for other in new if name and class_name(other) == name), None)
        if changed is None:
            continue
        gone.remove(item)  # the same gene with other options
        new.remove(changed)
        was, options = item.get("init_args") or {}, changed.get("init_args") or {}
        told = [
            f"{key} {was.get(key)} became {value}" for key, value in options.items() if was.get(key) != value
        ]
        parts.append(f"{name}: {', '.join(told)}")
    parts += [f"without {', '.join(map(_short, gone))}"] * bool(gone)
    parts += [f"with {', '.join(map(_short, new))}"] * bool(new)
    return "; ".join(parts) or "in another order"


def class_name(item: Any) -> str:
    """Return the name of the class of a gene; of anything else none."""
    if not isinstance(item, Mapping) or "class_path" not in item:
        return ""
    return str(item["class_path"]).rpartition(".")[2]


def model_card(
    place: int,
    told: Told,
    candidates: Mapping[int, Candidate],
    objectives: Sequence[Objective],
    finals: Mapping[str, Any],
    fidelity: Mapping[str, Any],
    run: str,
) -> str:
    """Return the card of one network of the front, in Markdown.

    Args:
        place: Of the network in the front, from 1.
        told: Its candidate and what that gave.
        candidates: All that were asked for, by their ids.
        objectives: Of the search.
        finals: The results of the final trainings, of this network and others.
        fidelity: What candidates were trained with, as an overlay.
        run: The name of the run's folder.
    """
    candidate, values = told.candidate, told.evaluation.values
    own = {key: result for key, result in finals.items() if result["candidate"] == candidate.id}
    rows = finals_table(own, [told])
    training = handed_over(own, candidate)
    lines = [f"# Network {place}: candidate {candidate.id} of {run}", ""]
    lines += ["| Objective | Wanted | Measured as | In the search |", "|---|---|---|---|"]
    for o in objectives:
        bound = "" if o.bound is None else f", bound {o.bound:g}"
        lines.append(f"| {o.name} | {o.mode}{bound} | {_source(o)} | {format_number(values[o.name])} |")
    lines += ["", "The values of a front are those of its luckiest trainings."]
    if len(rows):
        row = rows.iloc[0]
        lines += [
            "",
            f"Trained anew in full, {counted(int(row['trained']), 'time')}, each with another seed:",
            "",
        ]
        lines += ["| Quantity | Mean | Spread (standard deviation) |", "|---|---|---|"]
        parts = tuple(f"{o.name}." for o in objectives)  # of a cost, such as how often it was timed
        names = [n for n in rows.columns if f"{n} (spread)" in rows.columns and not n.startswith(parts)]
        lines += [
            f"| {name} | {format_number(row[name])} | {spread_of(row, name) or 'none'} |" for name in names
        ]
        lines += ["", "Names with `test_` are of data that no candidate has seen."]
    else:
        lines[-1] += " It was not trained anew (`final`), so nothing is known of its spread."
    lines += ["", "## What it is", ""]
    lines += [f"- `{key}`: {_short(value, 2000)}" for key, value in candidate.overlay.items()]
    lines += ["", "## Where it comes from", ""]
    line = lineage(candidate, candidates)
    if len(line) > MOST_ANCESTORS:
        lines.append(f"{len(line) - MOST_ANCESTORS} older ancestors are left out.\n")
        line = line[-MOST_ANCESTORS:]
    before: Candidate | None = None
    for one in line:
        origin = one.note.get("origin")
        others = f", with candidate {', '.join(map(str, one.parents[1:]))}" if len(one.parents) > 1 else ""
        head = f"- candidate {one.id}{f' ({origin})' if origin else ''}{others}"
        told_of = "; ".join(changes(before, one)) if before is not None else ""
        lines.append(f"{head}: {told_of}" if told_of else head)
        before = one
    given = {**fidelity, **candidate.fidelity}
    lines += ["", "## How it was trained in the search", "", f"- `seed_everything`: {candidate.seed}"]
    lines += [f"- `{key}`: {_short(value)}" for key, value in given.items()]
    lines += ["", "## How to use it", ""]
    lines.append(_origin(place, training, {} if training is None else finals[training.key]["values"]))
    lines += ["The config needs nothing of the searcher:", ""]
    lines += ["```console", f"$ fulmen fit --config {place}.yaml"]
    verb = "validate" if training is None else "test"  # who trained it in full has tested it too
    lines += [f"$ fulmen {verb} --config {place}.yaml --ckpt_path {place}.ckpt", "```", ""]
    return "\n".join(lines)


def _origin(place: int, training: FinalTraining | None, values: Mapping[str, float]) -> str:
    """Return what the checkpoint beside a card is, and what ``fit`` makes of the config."""
    if training is None:
        return (
            f"`{place}.ckpt` has the weights of the search; `{place}.yaml` has its seed, and trains for as "
            "long as the search's own config says."
        )
    gave = ", ".join(f"{name} {format_number(value)}" for name, value in values.items())
    return (
        f"`{place}.ckpt` has the weights of final training {training.number + 1}, seed {training.seed} "
        f"({gave}), and `{place}.yaml` is its config: `fit` does that training again, to the last bit with "
        "as many threads (`OMP_NUM_THREADS=1`, as a worker has unless `engine.threads` says otherwise)."
    )


def glance(value: Any) -> Any:
    """Return a value as a table is read: of a network's layers what they are, not all their options."""
    genes = isinstance(value, list) and value and all(class_name(item) for item in value)
    return ", ".join(map(class_name, value)) if genes else value


def _source(objective: Objective) -> str:
    source = objective.source
    if "metric" in source:
        return f"logged metric `{source['metric']}`"
    if "cost" in source:
        return f"cost `{source['cost']}`"
    return f"scalar `{source.get('scalar')}` of an analyzer"


def _short(value: Any, most: int = 100) -> str:
    """Return a value as one line of text for Markdown; of a gene its name and options.

    Args:
        value: Plain data.
        most: Letters.
    """
    if isinstance(value, Mapping) and "class_path" in value:
        options = ", ".join(f"{key} {item}" for key, item in (value.get("init_args") or {}).items())
        text = class_name(value) + (f" ({options})" if options else "")
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        text = "; ".join(_short(item, most) for item in value)
    else:
        text = json.dumps(value)
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= most else text[: most - 3] + "..."
