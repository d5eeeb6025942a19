"""A study keeps what it was told: after kills, on full disks, against strangers' files."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sqlite3
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest

from fulmen.errors import ArtifactError, UserError
from fulmen.searching import Candidate, Evaluation
from fulmen.study import Study
from fulmen.study.store import NAME


@pytest.fixture
def study(tmp_path):
    study = Study.open(tmp_path / "run", "a")
    yield study
    study.close()


def fill(study, count, first=0):
    for id in range(first, first + count):
        with study.transaction() as transaction:
            transaction.ask(
                Candidate(
                    id, {"model.lr": 0.1 * id}, (id - 1,), {"trainer.max_epochs": 2}, id + 7, {"k": [1]}
                )
            )
            transaction.set_state({"asked": id + 1})
        with study.transaction() as transaction:
            transaction.tell(id, Evaluation({"loss": math.nan if id == 1 else 1.0 / (id + 1)}, seconds=0.5))
            transaction.set_state({"told": id + 1})


def test_what_goes_in_comes_out(study):
    fill(study, 3)
    trained = Evaluation({"test": 0.5}, artifacts={"checkpoint": str(study.folder / "finals" / "a.ckpt")})
    with study.transaction() as transaction:
        transaction.ask(Candidate(3, {"x": ["a", None]}))
        transaction.final("0/1", 0, trained)

    told = study.told()
    assert told[2].candidate == Candidate(
        2, {"model.lr": 0.2}, (1,), {"trainer.max_epochs": 2}, 9, {"k": [1]}
    )
    assert told[2].evaluation == Evaluation({"loss": 1 / 3}, seconds=0.5)
    assert math.isnan(told[1].evaluation.values["loss"])
    assert study.pending() == [Candidate(3, {"x": ["a", None]})]
    assert study.counts() == {"asked": 4, "ok": 3}
    assert study.state() == {"told": 3}
    assert study.finals() == {"0/1": {"candidate": 0, **asdict(trained)}}
    kept = study.connection.execute("SELECT result FROM finals").fetchone()[0]
    assert json.loads(kept)["artifacts"] == {"checkpoint": "finals/a.ckpt"}  # the folder can be moved


def test_a_transaction_is_all_or_nothing(study):
    fill(study, 1)
    with pytest.raises(RuntimeError), study.transaction() as transaction:  # noqa: PT012
        transaction.tell(0, Evaluation())
        raise RuntimeError("the searcher did not like it")
    with pytest.raises(sqlite3.IntegrityError), study.transaction() as transaction:  # noqa: PT012
        transaction.set_state({"told": "changed"})
        transaction.tell(0, Evaluation())  # told before

    assert study.state() == {"told": 1}
    assert study.counts() == {"asked": 1, "ok": 1}


def test_it_can_be_read_while_it_is_written(study, tmp_path):
    fill(study, 2)
    reader = Study.read(tmp_path / "run")
    fill(study, 1, first=2)

    assert reader.counts() == {"asked": 3, "ok": 3}
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.connection.execute("DELETE FROM results")


def test_the_order_of_telling_outlasts_a_clock_that_is_set_back(study, tmp_path):
    study._now = lambda: 1.0
    for id in range(4):
        with study.transaction() as transaction:
            transaction.ask(Candidate(id, {}))
    study._now = iter([50.0, 10.0, 11.0]).__next__
    for id in (3, 1):
        with study.transaction() as transaction:
            transaction.tell(id, Evaluation())
    study.close()
    again = Study.open(tmp_path / "run", "a")
    again._now = lambda: 9.0
    with again.transaction() as transaction:
        transaction.tell(0, Evaluation())

    told = again.told()
    assert [one.candidate.id for one in told] == [3, 1, 0]
    assert told[0].told_at == 50.0
    again.close()


def test_a_study_in_a_folder_that_may_only_be_read_is_read(study):
    """The run of a colleague: SQLite would put its journal beside it."""
    fill(study, 2)
    study.close()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(study.path, folder)
        Path(folder).chmod(0o555)
        with as_nobody():
            assert Study.read(Path(folder)).counts() == {"asked": 2, "ok": 2}
        (Path(folder) / NAME).chmod(0o000)
        with as_nobody(), pytest.raises(UserError, match=r"sqlite: cannot be read \(permission denied\)"):
            Study.read(Path(folder))
        Path(folder).chmod(0o755)


@contextlib.contextmanager
def as_nobody():
    """Be one who may not write where root may."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_another_search_is_refused(study, tmp_path):
    study.close()
    with pytest.raises(UserError, match="holds another search; give --fresh to start anew"):
        Study.open(tmp_path / "run", "b")


def test_a_full_disk_loses_nothing_and_says_so(small_disk):
    """The result that finds no room takes the reserve; then the search ends."""
    study = Study.open(small_disk / "run", "a")
    told = 0
    with pytest.raises(ArtifactError, match=r"study\.sqlite: not written \(.*free space, then run the same"):  # noqa: PT012
        for id in range(10_000):
            with study.transaction() as transaction:
                transaction.ask(Candidate(id, {"text": "x" * 5_000}))
                transaction.tell(id, Evaluation({"loss": 1.0}))
                told = id + 1
    study.close()

    again = Study.open(small_disk / "run", "a")
    assert told > 20
    assert again.counts() == {"asked": told, "ok": told}
    assert again.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def foreign_file(kind, path):
    if kind == "text":
        path.write_text("hello " * 400)
    elif kind == "truncated":
        Study.open(path.parent, "a").close()
        path.write_bytes(path.read_bytes()[:5000])
    else:
        if kind != "other":
            Study.open(path.parent, "a").close()
        connection = sqlite3.connect(path)
        statements = {
            "other": "CREATE TABLE t (a)",
            "trigger": "CREATE TRIGGER evil AFTER INSERT ON results BEGIN DELETE FROM candidates; END",
            "view": "CREATE VIEW evil AS SELECT * FROM results",
            "table": "DROP TABLE finals",
            "version": "PRAGMA user_version=99",
        }
        connection.execute(statements[kind])
        connection.commit()
        connection.close()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "is no study of fulmen's"),
        ("truncated", "is no study of fulmen's|is damaged"),
        ("other", "is no study of fulmen's; choose another --run"),
        ("trigger", "has the trigger evil"),
        ("view", "has the view evil"),
        ("table", "lacks the table finals"),
        ("version", "is a study of version 99, this fulmen reads version 1"),
    ],
)
def test_what_is_no_study_is_refused(tmp_path, kind, said):
    foreign_file(kind, tmp_path / NAME)
    with pytest.raises(UserError, match=said):
        Study.open(tmp_path, "a")
    with pytest.raises(UserError, match=said):
        Study.read(tmp_path)


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no study"):
        Study.read(tmp_path)


def test_a_study_that_was_cut_off_as_it_began_is_told_from_a_strangers_file(tmp_path):
    """A journal that is to be rolled back stands beside it; who only reads cannot do that."""
    (tmp_path / "run").mkdir()
    connection = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 3000,)] * 40)  # too much for the cache
    for name in (NAME, f"{NAME}-journal"):
        shutil.copy(tmp_path / name, tmp_path / "run" / name)
    connection.close()

    with pytest.raises(UserError, match="cut off in the midst of writing; run its command again to go on"):
        Study.read(tmp_path / "run")
