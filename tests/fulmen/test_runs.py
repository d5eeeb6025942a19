"""A run directory continues what is unfinished and never touches what is finished."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest

from fulmen.errors import UserError
from fulmen.runs import open_run

ONE, OTHER = {"width": 1}, {"width": 2}


def finish(directory):
    directory.finish()
    directory.close()


def test_the_same_config_continues_an_unfinished_run(tmp_path):
    first = open_run("analyze", ONE, tmp_path / "run")
    first.close()

    second = open_run("analyze", ONE, tmp_path / "run")

    assert second.path == first.path
    assert (first.resumed, second.resumed) == (False, True)
    second.close()


def test_a_finished_run_is_left_alone_and_the_next_number_is_taken(tmp_path):
    names = []
    for _ in range(3):
        directory = open_run("analyze", ONE, tmp_path / "run")
        names.append(directory.path.name)
        finish(directory)

    assert names == ["run", "run-2", "run-3"]


def test_fresh_starts_beside_an_unfinished_run(tmp_path):
    open_run("analyze", ONE, tmp_path / "run").close()

    fresh = open_run("analyze", OTHER, tmp_path / "run", fresh=True)

    assert fresh.path.name == "run-2"
    assert not fresh.resumed
    fresh.close()


def test_an_unfinished_run_of_another_config_is_refused(tmp_path):
    open_run("analyze", ONE, tmp_path / "run").close()

    with pytest.raises(UserError, match=r"run: holds an unfinished analyze of another config; give --fresh"):
        open_run("analyze", OTHER, tmp_path / "run")


def test_the_default_folder_is_named_by_verb_and_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = set()
    for identity in (ONE, OTHER, ONE):
        directory = open_run("analyze", identity)
        paths.add(str(directory.path))
        directory.close()

    assert len(paths) == 2
    assert all(path.startswith("runs/analyze-") for path in paths)


@pytest.mark.parametrize("name", ["thesis.tex", "config.yaml"])
def test_a_folder_with_something_else_is_refused_and_untouched(tmp_path, name):
    (tmp_path / name).write_text("precious: yes")

    with pytest.raises(UserError, match="is no run folder"):
        open_run("analyze", ONE, tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "precious: yes"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")

    with pytest.raises(UserError, match="is a file"):
        open_run("analyze", ONE, tmp_path / "run")


def test_a_damaged_status_is_refused(tmp_path):
    open_run("analyze", ONE, tmp_path / "run").close()
    (tmp_path / "run" / "status.json").write_text('{"state": "run')

    with pytest.raises(UserError, match=r"status\.json: is damaged"):
        open_run("analyze", ONE, tmp_path / "run")


def test_a_run_that_died_before_its_status_was_written_is_taken_over(tmp_path):
    open_run("analyze", ONE, tmp_path / "run").close()
    (tmp_path / "run" / "status.json").unlink()
    (tmp_path / "run" / "config.yaml").unlink()

    directory = open_run("analyze", OTHER, tmp_path / "run")

    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "running"
    directory.close()


def test_a_run_that_died_before_its_config_was_written_has_it_when_it_goes_on(tmp_path):
    open_run("analyze", ONE, tmp_path / "run").close()
    written = (tmp_path / "run" / "config.yaml").read_text()
    (tmp_path / "run" / "config.yaml").unlink()

    open_run("analyze", ONE, tmp_path / "run").close()

    assert (tmp_path / "run" / "config.yaml").read_text() == written


def test_of_a_folder_that_was_there_a_refused_run_removes_its_own_files_alone(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").touch()
    directory = open_run("search", ONE, tmp_path)
    (tmp_path / "workers").mkdir()
    directory.forget()
    directory.close()

    assert sorted(path.name for path in tmp_path.rglob("*")) == [".git", "HEAD"]


def hold(path, ready, done):
    open_run("analyze", ONE, path)
    ready.set()
    done.wait(30)


@pytest.mark.process
def test_a_run_in_use_is_refused_until_its_process_has_died(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path / "run", ready, done))
    holder.start()
    assert ready.wait(60)

    with pytest.raises(UserError, match="another process is working on this run"):
        open_run("analyze", ONE, tmp_path / "run")

    os.kill(holder.pid, 9)
    holder.join()
    open_run("analyze", ONE, tmp_path / "run").close()
