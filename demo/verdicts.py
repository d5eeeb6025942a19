"""One line of verdict per act, read from what the act printed and left, never known beforehand."""

from __future__ import annotations

import re
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fulmen import Report
from fulmen.study import Study

RUNS = Path(__file__).resolve().parent.parent / "runs"


def installed(printed: str) -> str:
    """Count the plugins and components that ``fulmen plugins`` listed."""
    plugins = len(re.findall(r"^\S", printed, re.MULTILINE))
    components = len(re.findall(r"^  \S", printed, re.MULTILINE))
    return f"{plugins} plugins offer {components} parts, and nothing heavy was imported to say so"


def trained(printed: str) -> str:
    """Read the last validation accuracy and the weights that still had to be moved."""
    newest = max(RUNS.glob("zero_space_ecc/version_*/events.*"), key=lambda path: path.stat().st_mtime)
    events = EventAccumulator(str(newest))
    events.Reload()
    accuracy = events.Scalars("val_acc")[-1].value
    moved = [event.value for event in events.Scalars("fulmen/zero_space_ecc/large_weights")]
    return (
        f"validation accuracy {100 * accuracy:.1f} %; weights outside the box before a step's clamp: "
        f"{moved[0]:.0f} at first, {moved[-1]:.0f} at the end"
    )


def held_weights(printed: str) -> str:
    """Read the report of the analysis that was just run."""
    report = _report(printed)
    return (
        f"{report.scalars['held_outside']:.0f} of {report.scalars['held']:,.0f} held weights are too large: "
        f"{'room for 7 check bits in every 8 bytes' if report.scalars['ready'] else 'not ready'}"
    )


def survived(printed: str) -> str:
    """Compare the accuracies that the campaign has just measured."""
    report = _report(printed)
    bare, protected = (100 * report.scalars[f"accuracy/{scheme}/0.01"] for scheme in ("none", "in_place"))
    campaign = report.tables["campaign"].set_index("scheme")
    return (
        f"accuracy {bare:.1f} % unprotected, {protected:.1f} % protected in place; "
        f"extra bytes: {campaign.loc['in_place', 'extra_bytes']}"
    )


def repaired(printed: str) -> str:
    """Read the two counts that the command printed."""
    wrong, mended = (
        re.search(rf"{what}: +([0-9,]+ of [0-9,]+)", printed) for what in ("silently wrong", "repaired")
    )
    assert wrong is not None, printed
    assert mended is not None, printed
    return f"torch.save: silently wrong {wrong[1]}; the file that repairs itself: repaired {mended[1]}"


def searched(printed: str) -> str:
    """Count what was asked for and never came back, and read the front."""
    folder = _folder(printed).parent
    with Study.read(folder) as study:
        asked, told = study.counts()["asked"], study.told()
    front = _report(printed).tables["front"].sort_values("accuracy_under_faults")
    best = front.iloc[-1]
    return (
        f"{len(told)} networks, lost: {asked - len(told)}; a front of {len(front)}; the hardest to break has "
        f"{100 * best['accuracy']:.1f} % accuracy, {100 * best['accuracy_under_faults']:.1f} % with one bit "
        f"in a thousand wrong, in {best['latency']:.1f} times the first network's time"
    )


def split(printed: str) -> str:
    """Read what the command counted and compared."""
    rows = re.search(r"rows loaded +([0-9.]+)x .*\(data parallel ([0-9.]+)x\)", printed)
    loss, gradients = (re.search(rf"{what} .* to (\S+)", printed) for what in ("loss  ", "gradients"))
    assert rows is not None, printed
    assert loss is not None, printed
    assert gradients is not None, printed
    return (
        f"rows loaded {rows[1]}x (data parallel {rows[2]}x), loss equal to one process to {loss[1]}, "
        f"gradients to {gradients[1]}"
    )


def recovered(printed: str) -> str:
    """Compare the graph with the truth, and the ranking with those of two classical tests."""
    report = _report(printed)
    methods = report.tables["methods"].set_index("method")
    ours = methods.loc["attention_granger"]
    others = ", ".join(
        f"{methods.loc[name, 'auroc']:.3f} by {label}"
        for name, label in (("var_granger", "VAR-Granger"), ("spike_regression", "regression on spikes"))
    )
    picture = re.search(r"Report: (\S+)", printed)
    assert picture is not None, printed
    return (
        f"AUROC {ours['auroc']:.3f}, {others}; {report.scalars['selected']:.0f} edges selected, "
        f"{ours['shd']:.0f} of them wrong or missing; found beside true: "
        f"{Path(picture[1]).parent / 'figures' / 'matrix.png'}"
    )


def _report(printed: str) -> Report:
    return Report.load(_folder(printed))


def _folder(printed: str) -> Path:
    """Return the folder of the report that was said to be written."""
    folder = re.search(r"Report: (\S+)", printed)
    assert folder is not None, printed
    return RUNS.parent / Path(folder[1]).parent
