"""A searcher's state in rows: of a long list only what has changed is written.

A searcher that remembers a thousand candidates changes one or two of them with each result. To write all
of them each time would cost more than everything else of a commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fulmen.study.rows import dump

LONG = 32  # elements; a shorter list is one row
_LIST = "list"  # no JSON: it marks a key whose elements have rows of their own
_PUT = "INSERT OR REPLACE INTO state VALUES (?,?,?)"

Statement = tuple[str, tuple[Any, ...]]
Known = dict[str, Any]  # key to its text, or to the elements of its list


def changes(known: Known | None, state: Mapping[str, Any]) -> tuple[list[Statement], Known]:
    """Return what makes the rows those of a state, and what is known of them then.

    Args:
        known: What the rows hold, as this function returned it; None if nobody knows.
        state: Plain data.
    """
    statements: list[Statement] = []
    if known is None:
        statements.append(("DELETE FROM state", ()))
        known = {}
    for key in known.keys() - state.keys():
        statements.append(("DELETE FROM state WHERE key=?", (key,)))
    after: Known = {}
    for key, value in state.items():
        before = known.get(key)
        if isinstance(value, list) and len(value) >= LONG:
            if isinstance(before, list) and value[: len(before)] == before:  # it has grown, and no more
                grown = after[key] = before + [_cell(element) for element in value[len(before) :]]
                statements += [(_PUT, (key, n, _text(grown[n]))) for n in range(len(before), len(grown))]
                continue
            cells = after[key] = [_cell(element) for element in value]
            statements += _list_changes(key, before if isinstance(before, list) else None, cells)
            continue
        text = after[key] = dump(value)
        if isinstance(before, list):
            statements.append(("DELETE FROM state WHERE key=?", (key,)))
        if text != before:
            statements.append((_PUT, (key, -1, text)))
    return statements, after


def restored(rows: Iterable[tuple[str, int, str]]) -> dict[str, Any] | None:
    """Return the state that rows hold, which are in the order of key and position; None if there are none."""
    state: dict[str, Any] = {}
    for key, position, text in rows:
        if position >= 0:
            state[key].append(json.loads(text))
        else:
            state[key] = [] if text == _LIST else json.loads(text)
    return state or None


def _list_changes(key: str, before: list[Any] | None, cells: list[Any]) -> list[Statement]:
    statements: list[Statement] = []
    if before is None:
        statements += [("DELETE FROM state WHERE key=?", (key,)), (_PUT, (key, -1, _LIST))]
        before = []
    elif len(before) > len(cells):
        statements.append(("DELETE FROM state WHERE key=? AND position>=?", (key, len(cells))))
    common = min(len(before), len(cells))
    changed = [n for n in range(common) if before[n] is not cells[n] and before[n] != cells[n]]
    changed += range(common, len(cells))
    return statements + [(_PUT, (key, n, _text(cells[n]))) for n in changed]


def _cell(element: Any) -> Any:
    """Return what can be compared later: an element that may be changed in place is kept as its text."""
    if isinstance(element, str | int | float) or element is None:
        return element
    return (dump(element),)


def _text(cell: Any) -> str:
    return str(cell[0]) if isinstance(cell, tuple) else json.dumps(cell)
