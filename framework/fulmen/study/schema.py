"""The tables of a study, and whether a file is one: a stranger's file is data and never executes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fulmen.errors import UserError

APPLICATION = 0x66756C6D  # "fulm"
VERSION = 1

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (
    key TEXT,
    position INTEGER,
    value TEXT NOT NULL,
    PRIMARY KEY (key, position)
) WITHOUT ROWID;
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY,
    overlay TEXT NOT NULL,
    parents TEXT NOT NULL,
    fidelity TEXT NOT NULL,
    seed INTEGER NOT NULL,
    note TEXT NOT NULL,
    asked_at REAL NOT NULL
);
CREATE TABLE results (
    id INTEGER PRIMARY KEY REFERENCES candidates (id),
    "values" TEXT NOT NULL,
    status TEXT NOT NULL,
    failure TEXT,
    seconds REAL NOT NULL,
    artifacts TEXT NOT NULL,
    told_at REAL NOT NULL
);
CREATE TABLE finals (key TEXT PRIMARY KEY, candidate INTEGER NOT NULL, result TEXT NOT NULL) WITHOUT ROWID;
"""

_OWN = {"meta", "state", "candidates", "results", "finals"}


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    connection.executescript(
        f"BEGIN; {TABLES} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
    )


def require_study(connection: sqlite3.Connection, path: Path) -> bool:
    """Refuse a file that is no whole study of this version; return whether it is still empty.

    Raises:
        UserError: says what it is instead.
    """
    try:
        application = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
        objects = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        if not objects and application == 0:
            return True
        if application != APPLICATION:
            raise UserError(f"{path}: is no study of fulmen's; choose another --run.")
        if version != VERSION:
            raise UserError(
                f"{path}: is a study of version {version}, this fulmen reads version {VERSION}; "
                "go on with the fulmen that began it, or give --fresh."
            )
        foreign = [f"{kind} {name}" for kind, name in objects if kind in {"trigger", "view"}]
        missing = _OWN - {name for kind, name in objects if kind == "table"}
        if foreign or missing:
            what = f"has the {foreign[0]}" if foreign else f"lacks the table {min(missing)}"
            raise UserError(f"{path}: {what}, as no study of fulmen's does; choose another --run.")
        if (said := _pragma(connection, "quick_check")) != "ok":
            raise UserError(f"{path}: is damaged ({str(said).splitlines()[0]}); give --fresh to start anew.")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
            raise UserError(
                f"{path}: its search was cut off in the midst of writing; run its command again to go on."
            ) from error
        raise UserError(f"{path}: is no study of fulmen's ({error}); choose another --run.") from error
    return False


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]
