"""The page of a report stands alone, shows what was found first, and runs nothing that a name says."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from fulmen import Report
from fulmen.analysis import new_figure
from fulmen.analysis.formatting import format_number, format_table

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)> "quoted" [red]'


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def hostile_report() -> Report:
    figure, axes = new_figure(caption=HOSTILE)
    axes.plot([1, 2])
    return Report(
        title=HOSTILE,
        scalars={HOSTILE: 1.0},
        tables={"t": pd.DataFrame({HOSTILE: [HOSTILE]})},
        figures={"f": figure},
        arrays={"a": np.zeros((2, 3))},
        findings=[HOSTILE],
    )


def page_of(report, tmp_path, provenance=None) -> Page:
    return Page((report.save(tmp_path / "report", provenance) / "report.html").read_text())


def test_the_page_needs_no_other_file_and_no_network(tmp_path):
    folder = hostile_report().save(tmp_path / "report", {"command": "fulmen analyze"})
    page = Page((folder / "report.html").read_text())

    assert page.all("script") == []
    assert [image["src"][:26] for image in page.all("img")] == ["data:image/svg+xml;base64,"]
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]
    for link in page.all("a"):  # beside the page, for those who have the folder; the page shows without
        assert (folder / link["href"]).is_file()
    assert not re.search(r"url\(|@import", (folder / "report.html").read_text())


def test_names_are_shown_not_run(tmp_path):
    page = page_of(hostile_report(), tmp_path, {HOSTILE: {HOSTILE: HOSTILE}})

    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object"})
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.texts.count(HOSTILE) >= 5  # title twice, finding, column, cell, caption, provenance
    assert page.all("img")[0]["alt"] == HOSTILE


def test_findings_come_before_everything_else(tmp_path):
    report = hostile_report()
    report.findings = ["The most important.", "The next."]
    texts = page_of(report, tmp_path, {"seed": 7}).texts
    order = [
        texts.index(text) for text in ("The most important.", "The next.", "Numbers", "Figures", "Tables")
    ]

    assert order == sorted(order)
    assert texts[-2:] == ["seed", "7"]


def test_where_it_came_from_is_told_by_dotted_keys(tmp_path):
    made = {"objectives": [{"name": "f1", "source": {"metric": "val_f1"}}], "sizes": [1, 2]}
    texts = page_of(hostile_report(), tmp_path, made).texts

    assert texts[-6:] == [
        "objectives.0.name",
        "f1",
        "objectives.0.source.metric",
        "val_f1",
        "sizes",
        "[1, 2]",
    ]


def test_a_long_table_is_cut_and_names_its_file(tmp_path):
    report = Report(tables={"long": pd.DataFrame({"row": range(12_345)})})
    page = page_of(report, tmp_path)

    assert len(page.all("tr")) == 1 + 30
    assert "The first 30 of 12,345 rows; all are in" in page.texts
    assert {"href": "tables/long.csv"} in page.all("a")


def test_numbers_stand_right_and_text_left(tmp_path):
    report = Report(tables={"t": pd.DataFrame({"n": [1], "x": [0.5], "text": ["a"], "truth": [True]})})

    assert [cell.get("class") for cell in page_of(report, tmp_path).all("td")] == [
        "number",
        "number",
        None,
        None,
    ]


def test_a_whole_configuration_is_folded_away(tmp_path):
    config = {"trainer": {f"option_{n}": n for n in range(40)}, "seed": 7, "versions": {"torch": "2.13"}}
    page = page_of(Report(), tmp_path, config)
    order = [tag for tag, _ in page.tags if tag in {"footer", "details"}]

    assert order == ["footer", "details"]
    assert (
        page.texts.index("versions.torch")
        < page.texts.index("trainer")
        < page.texts.index("trainer.option_39")
    )


def test_an_empty_report_is_a_page(tmp_path):
    assert page_of(Report(), tmp_path).texts[-1] == "Report"


def test_a_drawing_too_heavy_for_a_page_is_shown_as_pixels(tmp_path):
    figure, axes = new_figure()
    axes.scatter(*np.random.default_rng(0).random((2, 10_000)))

    page = page_of(Report(figures={"f": figure}), tmp_path)

    assert page.all("img")[0]["src"].startswith("data:image/png;base64,")
    assert (tmp_path / "report" / "figures" / "f.svg").stat().st_size > 400_000


def test_a_notebook_gets_the_same_without_links_to_files():
    page = Page(hostile_report()._repr_html_())

    assert HOSTILE in page.texts
    assert len(page.all("img")) == 1
    assert page.all("a") == page.all("script") == page.all("html") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1797.0, "1,797"),
        (0.98333, "0.9833"),
        (-12.3456, "-12.35"),
        (1234.56, "1,234.6"),
        (3.2e-5, "3.2e-05"),
        (6.02214e23, "6.022e+23"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers_have_sensible_digits(value, text):
    assert format_number(value) == text


def test_one_table_writes_its_thousands_alike():
    columns = format_table(pd.DataFrame({"held": [22_736, 397], "outside": [1389, 0]}), 10)

    assert [column.cells for column in columns] == [["22,736", "397"], ["1,389", "0"]]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.5, 0.25, 1.0], ["0.50", "0.25", "1.00"]),
        ([0.98123, 0.9], ["0.9812", "0.9000"]),
        ([12345.678, 1.5], ["12,345.7", "1.5"]),
        ([1e-9, 0.5], ["1e-09", "0.5"]),
        ([1.0, math.nan], ["1", "NaN"]),
        ([0.5, math.nan, math.inf], ["0.5", "NaN", "∞"]),
        ([2024, 9999], ["2024", "9999"]),
        ([2024, 10_000], ["2,024", "10,000"]),
        ([2**63 - 1], ["9,223,372,036,854,775,807"]),
        ([], []),
        (["a", None, ""], ["a", "–", "–"]),  # noqa: RUF001
    ],
)
def test_a_column_has_decimals_of_its_own(values, texts):
    from fulmen.analysis.tables import plain_table

    assert format_table(plain_table(pd.DataFrame({"x": values}), "t"), 10)[0].cells == texts
