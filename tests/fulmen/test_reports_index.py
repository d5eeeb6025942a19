"""``index.html`` links every report below a folder, shows what each found, and overwrites nobody's page."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from fulmen import Report, UserError
from fulmen.analysis import new_figure
from fulmen.reports import write_index


class Page(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.links, self.images, self.texts, self.names = [], [], [], set()
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.add(tag)
        self.links += [attributes["href"]] if tag == "a" else []
        self.images += [attributes["src"]] if tag == "img" else []

    def handle_data(self, data):
        self.texts += [data.strip()] if data.strip() else []


def save(folder, written, **parts):
    Report(**parts).save(folder)
    os.utime(folder / "report.json", (written, written))


def test_every_report_is_linked_newest_first(tmp_path):
    figure, axes = new_figure()
    axes.plot([1, 2])
    save(tmp_path / "a run #1" / "report", 1e9, title="<b>Old", findings=["Found <i>.", "Not shown."])
    save(tmp_path / "project" / "run" / "report", 2e9, title="New", figures={"f": figure})
    save(tmp_path / "bare", 1.5e9)

    page = Page(write_index(tmp_path).read_text())

    assert [unquote(link) for link in page.links] == [
        "project/run/report/report.html",
        "bare/report.html",
        "a run #1/report/report.html",
    ]
    assert all((tmp_path / unquote(link)).is_file() for link in page.links)
    assert len(page.images) == 1
    assert page.images[0].startswith("data:image/svg+xml;base64,")
    assert {"<b>Old", "Found <i>.", "New", "bare"} <= set(page.texts)
    assert "Not shown." not in page.texts
    assert page.names.isdisjoint({"script", "b", "i", "iframe"})


def test_tensorboard_folders_come_with_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    board = tmp_path / "my runs" / "run" / "tensorboard"
    board.mkdir(parents=True)
    (board / "events.out.tfevents.1.host").touch()

    page = Page(write_index("my runs").read_text())

    assert "tensorboard --logdir 'my runs'" in page.texts
    assert "run/tensorboard" in page.texts
    assert "No reports yet." in page.texts


def test_a_damaged_report_is_listed_with_the_reason(tmp_path):
    save(tmp_path / "good" / "report", 2e9, title="Good")
    save(tmp_path / "bad" / "report", 1e9, title="Bad")
    (tmp_path / "bad" / "report" / "report.json").write_text("{")

    texts = Page(write_index(tmp_path).read_text()).texts

    assert "Good" in texts
    assert any(text.startswith("Cannot be read:") and "damaged" in text for text in texts)


def test_half_written_hidden_and_linked_folders_are_passed_by(tmp_path):
    save(tmp_path / ".report.tmp-1" / "report", 1e9, title="Half")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert Page(write_index(tmp_path).read_text()).links == []


def test_someone_elses_page_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("<h1>My site</h1>")

    with pytest.raises(UserError, match="not written by fulmen"):
        write_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>My site</h1>"


def test_our_own_page_is_refreshed(tmp_path):
    write_index(tmp_path)
    save(tmp_path / "run" / "report", 1e9, title="Later")

    assert "Later" in Page(write_index(tmp_path).read_text()).texts
