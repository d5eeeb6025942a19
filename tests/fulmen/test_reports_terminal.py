"""The summary on the terminal: plain where there is none, and nothing that a name says takes effect."""

from __future__ import annotations

import io

import pandas as pd
from rich.console import Console

from fulmen import Report
from fulmen.reports import print_summary


def summary(report, folder, **options) -> str:
    file = io.StringIO()
    print_summary(report.checked(), folder, Console(file=file, width=100, **options))
    return file.getvalue()


REPORT = Report(
    title="Weights [red]of[/red] a model",
    scalars={"ready": 1.0, "[bold]share[/bold]": 0.98333},
    tables={"layers": pd.DataFrame({"layer": ["[blue]stem", "head"], "weights": [432, 36864]})},
    findings=["All weights are held in [-64, 63].", "Nothing was lost."],
)


def test_a_log_gets_plain_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert summary(REPORT, tmp_path / "run" / "report").split("\n") == [
        "Weights [red]of[/red] a model",
        "  All weights are held in [-64, 63].",
        "  Nothing was lost.",
        "",
        "  ready                    1",
        "  [bold]share[/bold]  0.9833",
        "",
        "  layers",
        "  layer       weights",
        "  [blue]stem      432",
        "  head         36,864",
        "",
        "  Report: run/report/report.html",
        "",
    ]


def test_a_terminal_gets_colour_but_no_markup_or_escape_of_a_name(tmp_path):
    report = Report(title="[red]x", findings=["\x1b]0;owned\x07 and \x1b[2J"], scalars={"[/]": 1.0})
    shown = summary(report, tmp_path, force_terminal=True, color_system="standard")

    assert "[red]x" in shown
    assert "[/]" in shown
    assert "\x1b[1m" in shown
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown


def test_a_long_report_is_shortened_and_says_so(tmp_path):
    long = pd.DataFrame({"x": range(100)})
    report = Report(
        scalars={f"s{n}": float(n) for n in range(25)}, tables={"thousand": long, "empty": long[:0]}
    )
    shown = summary(report, tmp_path)

    assert "s19 " in shown
    assert "s20" not in shown
    assert "and 5 more in report.json" in shown
    assert "thousand" not in shown
    assert "empty" not in shown


def test_of_a_long_cell_the_beginning_is_shown(tmp_path):
    table = pd.DataFrame({"place": [1], "layers": ["convolution " * 200]})
    shown = summary(Report(tables={"front": table}), tmp_path)

    assert 5 < shown.count("convolution ") < 10
    assert "…" in shown


def test_long_findings_are_wrapped_and_paths_are_not(tmp_path):
    folder = tmp_path / ("deep" * 40)
    lines = summary(Report(findings=["word " * 30]), folder, force_terminal=True, color_system=None).split(
        "\n"
    )

    assert [line.rstrip() for line in lines[1:3]] == [
        "  " + "word " * 18 + "word",
        "  " + "word " * 10 + "word",
    ]
    assert f"  Report: {folder / 'report.html'}" in lines


def test_a_terminal_without_the_letters_gets_question_marks(tmp_path):
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_summary(Report(findings=["π is ∞"]), tmp_path, Console(file=file, width=100))
    file.flush()

    assert b"? is ?" in file.buffer.getvalue()
