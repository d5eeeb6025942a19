"""A study: everything that a search has asked for and been told, in one SQLite file with one writer."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fulmen.artifacts import make_folder, write_artifact
from fulmen.errors import ArtifactError, UserError
from fulmen.searching import Candidate, Evaluation
from fulmen.study import rows, schema
from fulmen.study.state import Known, Statement, changes, restored

NAME = "study.sqlite"
TICK = 1e-6  # seconds between two results at least, so that they have an order
RESERVE = 256 << 10  # bytes that are given back when the disk is full, for what has just finished

_CANDIDATE = "INSERT INTO candidates VALUES (?,?,?,?,?,?,?)"
_RESULT = "INSERT INTO results VALUES (?,?,?,?,?,?,?)"
_META = "INSERT OR REPLACE INTO meta VALUES (?,?)"
_FINAL = "INSERT OR REPLACE INTO finals VALUES (?,?,?)"


@dataclass(frozen=True)
class Told:
    """A candidate, what became of it, and when that was told (Unix seconds)."""

    candidate: Candidate
    evaluation: Evaluation
    told_at: float


class Transaction:
    """What is to be committed together.

    The statements are kept and run at the end, so that a full disk can be answered by running them
    once more: the searcher has been told by then and cannot be told again.
    """

    def __init__(self, now: Callable[[], float], known: Known | None, folder: Path) -> None:
        self.statements: list[Statement] = []
        self.known = known
        self._now = now
        self._folder = folder

    def ask(self, candidate: Candidate) -> None:
        """Add a candidate."""
        self.statements.append((_CANDIDATE, rows.candidate_row(candidate, self._now())))

    def tell(self, id: int, evaluation: Evaluation) -> None:
        """Add a result."""
        kept = replace(evaluation, artifacts=rows.from_folder(evaluation.artifacts, self._folder))
        self.statements.append((_RESULT, rows.result_row(id, kept, self._now())))

    def set(self, key: str, value: Any) -> None:
        """Set one of the study's own values: plain data."""
        self.statements.append((_META, (key, rows.dump(value))))

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Set the searcher's state: plain data."""
        statements, self.known = changes(self.known, state)
        self.statements += statements

    def final(self, key: str, candidate: int, evaluation: Evaluation) -> None:
        """Add the result of a final training of a candidate."""
        kept = replace(evaluation, artifacts=rows.from_folder(evaluation.artifacts, self._folder))
        result = {"candidate": candidate, **rows.plain_evaluation(kept)}
        self.statements.append((_FINAL, (key, candidate, rows.dump(result))))


class Study:
    """Reads and writes a study; there is one writer at a time, which the run's lock sees to.

    Args:
        connection: To the file, without transactions of Python's own (``isolation_level=None``).
        path: The file, for messages.
        now: Unix time in seconds.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, now: Callable[[], float] = time.time
    ) -> None:
        self.connection, self.path, self._now = connection, path, now
        self.folder = path.parent.absolute()
        self._known: Known | None = None
        self._last: float | None = None

    @classmethod
    def open(cls, folder: Path, identity: str) -> Study:
        """Open the study of a run for writing, a new one if there is none.

        Args:
            folder: The run's.
            identity: Tells this search from others: a digest.

        Raises:
            UserError: the file is no study, or one of another search.
        """
        path = make_folder(folder) / NAME
        connection = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        connection.execute("PRAGMA trusted_schema=OFF")
        empty = schema.require_study(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        study = cls(connection, path)
        if empty:
            schema.create(connection)
            with study.transaction() as transaction:
                transaction.set("identity", identity)
        elif study.get("identity") not in {None, identity}:
            connection.close()
            raise UserError(f"{path}: holds another search; give --fresh to start anew, or another --run.")
        elif study.get("identity") is None:  # killed between the two
            with study.transaction() as transaction:
                transaction.set("identity", identity)
        study._reserve()
        return study

    @classmethod
    def read(cls, folder: Path) -> Study:
        """Open the study of a run for reading only; a search may be writing it.

        Raises:
            UserError: there is none, or the file is no study.
        """
        path = folder / NAME if folder.is_dir() else folder
        if not path.is_file():
            raise UserError(f"{folder}: holds no study ({NAME}); give the folder of a search.")
        if not os.access(path, os.R_OK, effective_ids=True):
            raise UserError(f"{path}: cannot be read (permission denied); give a search that you may read.")
        # Beside a file without a journal SQLite would make one, which a folder may refuse: none is needed.
        journal = path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro" if journal or os.access(path.parent, os.W_OK, effective_ids=True) else "immutable=1"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=10.0
        )
        connection.execute("PRAGMA trusted_schema=OFF")
        if schema.require_study(connection, path):
            raise UserError(f"{path}: is an empty file; give the folder of a search.")
        return cls(connection, path)

    @contextlib.contextmanager
    def transaction(self, durable: bool = True) -> Iterator[Transaction]:
        """Commit what the block adds, all of it or nothing; nothing if the block raises.

        Args:
            durable: Wait until it is on the disk. Without, a power cut may take it back, a kill
                cannot; the next durable one secures it too.

        Raises:
            ArtifactError: the disk is full or fails.
        """
        transaction = Transaction(self._time, self._known, self.folder)
        self._known = None  # should this one fail, nobody knows
        yield transaction
        self.connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        try:
            self._commit(transaction)
            self._known = transaction.known
        except sqlite3.OperationalError as error:
            if not _is_of_disk(error):
                raise
            (self.path.parent / ".reserve").unlink(missing_ok=True)
            try:
                self._commit(transaction)  # what has finished is not lost; the search ends all the same
            except sqlite3.OperationalError:
                raise self._full(error) from error
            raise self._full(error) from error

    def _commit(self, transaction: Transaction) -> None:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for statement, values in transaction.statements:
                execute(statement, values)
            execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise

    def get(self, key: str) -> Any:
        """Return one of the study's own values, or None."""
        row = self.connection.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def state(self) -> dict[str, Any] | None:
        """Return the searcher's state, or None if none was written."""
        rows_ = self._rows("SELECT key, position, value FROM state ORDER BY key, position")
        return restored((str(key), int(position), str(value)) for key, position, value in rows_)

    def pending(self) -> list[Candidate]:
        """Return what was asked for and not told, in the order of asking."""
        query = "SELECT * FROM candidates WHERE id NOT IN (SELECT id FROM results) ORDER BY id"
        return [rows.to_candidate(row) for row in self.connection.execute(query)]

    def told(self, after: float = 0.0) -> list[Told]:
        """Return what was told since a time, in the order of telling."""
        query = (
            'SELECT c.id, overlay, parents, fidelity, seed, note, "values", status, failure, seconds, '
            "artifacts, told_at FROM results JOIN candidates c USING (id) WHERE told_at >= ? "
            "ORDER BY told_at, results.rowid"
        )
        found = self.connection.execute(query, (after,)).fetchall()
        return [Told(rows.to_candidate(row), self._evaluation(row[6:]), row[11]) for row in found]

    def finals(self) -> dict[str, Any]:
        """Return the final trainings by their keys: the fields of an evaluation, and ``candidate``."""
        found = {key: json.loads(result) for key, result in self._rows("SELECT key, result FROM finals")}
        for result in found.values():
            result["artifacts"] = rows.in_folder(result["artifacts"], self.folder)
        return found

    def counts(self) -> dict[str, int]:
        """Return how many were ``asked``, and how many were told with each status."""
        asked = self.connection.execute("SELECT count(*) FROM candidates").fetchone()[0]
        statuses = self._rows("SELECT status, count(*) FROM results GROUP BY status")
        return {"asked": asked, **dict(statuses)}

    @property
    def results(self) -> int:
        """How many were told."""
        return int(self.connection.execute("SELECT count(*) FROM results").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _time(self) -> float:
        """Return the time, or a little more than the last: a clock may be set back, an order must not be."""
        if self._last is None:
            self._last = self.connection.execute("SELECT max(told_at) FROM results").fetchone()[0] or 0.0
        self._last = max(self._now(), self._last + TICK)
        return self._last

    def _evaluation(self, row: tuple[Any, ...]) -> Evaluation:
        evaluation = rows.to_evaluation(row)
        return replace(evaluation, artifacts=rows.in_folder(evaluation.artifacts, self.folder))

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _reserve(self) -> None:
        """Take some room on the disk now, to have it when there is none."""
        reserve = self.path.parent / ".reserve"
        if not reserve.exists():
            with contextlib.suppress(ArtifactError):  # too full already: the first commit will tell
                write_artifact(reserve, os.urandom(RESERVE))  # no file system makes that smaller

    def _full(self, error: sqlite3.OperationalError) -> ArtifactError:
        return ArtifactError(
            f"{self.path}: not written ({error}); free space, then run the same command again: it goes on."
        )


def _is_of_disk(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
    }
