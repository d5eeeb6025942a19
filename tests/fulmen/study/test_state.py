"""A searcher's state in rows: what is written is read back, and little is written."""

from __future__ import annotations

import random
import sqlite3

import pytest

from fulmen.study import Study, schema
from fulmen.study.state import changes


@pytest.fixture
def study(tmp_path):
    with Study.open(tmp_path, "a") as study:
        yield study


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_states_is_read_back(study, seed):
    draw = random.Random(seed)
    state = {}
    for _ in range(40):
        key = draw.choice("abc")
        kind = draw.randrange(6)
        if kind == 0:
            state.pop(key, None)
        elif kind == 1:
            state[key] = draw.choice([None, 1, 0.1, "x", {"y": [1]}, []])
        elif kind == 2:
            state[key] = [
                draw.choice([draw.random(), "line", [1, {"z": 2}], None]) for _ in range(draw.randrange(80))
            ]
        elif isinstance(state.get(key), list):  # in place, as a searcher may
            state[key] += [{"n": draw.random()}] * draw.randrange(60)
            if state[key] and kind == 4:
                state[key][draw.randrange(len(state[key]))] = "changed"
            if state[key] and isinstance(state[key][-1], dict) and kind == 5:
                state[key][-1] = dict(state[key][-1])
                state[key][-1]["n"] = "changed"
        with study.transaction() as transaction:
            transaction.set_state(state)
        assert (study.state() or {}) == state


def test_an_element_that_is_changed_in_place_is_noticed(study):
    state = {"a": [{"n": number} for number in range(50)]}
    for value in (1, 2):
        state["a"][7]["n"] = value
        with study.transaction() as transaction:
            transaction.set_state(state)

    assert study.state()["a"][7] == {"n": 2}


def test_of_a_long_list_only_the_changes_are_written():
    lines = [f"line {number}" for number in range(1_000)]
    _, known = changes(None, {"lines": lines})
    lines[3] = "other"
    lines.append("new")

    statements, _ = changes(known, {"lines": lines})

    assert len(statements) == 2


def test_after_a_failed_commit_the_next_writes_everything(tmp_path):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection)
    study = Study(connection, tmp_path)
    with study.transaction() as transaction:
        transaction.set_state({"a": 1, "b": 2})
    with pytest.raises(sqlite3.IntegrityError), study.transaction() as transaction:  # noqa: PT012
        transaction.set_state({"a": 3, "b": 2})
        transaction.statements.append(("INSERT INTO meta VALUES ('identity', NULL)", ()))

    with study.transaction() as transaction:
        transaction.set_state({"a": 3, "b": 2})

    assert study.state() == {"a": 3, "b": 2}
