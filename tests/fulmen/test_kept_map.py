"""AnalysisContext.map keeps each finished piece: a killed analysis goes on where it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fulmen.engines.inline import InlineEngine
from fulmen.engines.kept_map import KeptMap
from fulmen.searching import Task


def square(item):
    with Path(item["log"]).open("a") as file:
        file.write(f"{item['value']}\n")
    if item["value"] == item.get("dies_at") and not Path(item["log"] + ".died").exists():
        Path(item["log"] + ".died").touch()
        os.kill(os.getpid(), 9)
    return {"value": item["value"] ** 2, "pair": (1, 0.1)}


def build(base):
    return {"base": base, "built": []}


def add(shared, item):
    shared["built"].append(item)
    return [shared["base"] + item, len(shared["built"])]


def fail_at_three(item):
    if item == 3:
        raise ValueError("three")
    return item


def items(tmp_path, **more):
    return [{"value": value, "log": str(tmp_path / "log"), **more} for value in range(6)]


def test_results_come_in_the_order_of_the_items(tmp_path):
    results = KeptMap(InlineEngine(), tmp_path / "kept")(square, items(tmp_path), "squares")

    assert [result["value"] for result in results] == [0, 1, 4, 9, 16, 25]


def test_a_second_map_does_no_work_twice_and_sees_the_same_values(tmp_path, caplog):
    kept = KeptMap(InlineEngine(), tmp_path / "kept")
    with caplog.at_level("INFO", logger="fulmen"):
        first = kept(square, items(tmp_path), "squares")
        assert kept(square, items(tmp_path), "squares") == first
        assert not [line for line in caplog.messages if "earlier run" in line]
        second = KeptMap(InlineEngine(), tmp_path / "kept")(square, items(tmp_path), "squares")

    assert second == first
    assert "squares: 6 of 6 were made by an earlier run and are taken back." in caplog.messages
    assert len((tmp_path / "log").read_text().split()) == 6


def test_another_item_function_or_label_is_other_work(tmp_path):
    kept = KeptMap(InlineEngine(), tmp_path / "kept")
    kept(square, items(tmp_path), "squares")
    kept(square, items(tmp_path, more=1), "squares")
    kept(square, items(tmp_path), "again")

    assert len((tmp_path / "log").read_text().split()) == 18


def test_setup_is_built_once_and_shared(tmp_path):
    results = KeptMap(InlineEngine(), tmp_path / "kept")(add, [1, 2, 3], "sums", setup=(build, (10,)))

    assert results == [[11, 1], [12, 2], [13, 3]]


def test_what_was_finished_before_a_failure_is_kept(tmp_path):
    kept = KeptMap(InlineEngine(), tmp_path / "kept")
    with pytest.raises(ValueError, match="three"):
        kept(fail_at_three, [1, 2, 3, 4], "numbers")

    assert sorted(json.loads(p.read_text()) for p in (tmp_path / "kept" / "numbers").iterdir()) == [1, 2]


@pytest.mark.parametrize("function", [lambda item: item, "".join([]).join])
def test_functions_that_no_process_could_import_are_refused(tmp_path, function):
    with pytest.raises(TypeError, match="module-level functions"):
        KeptMap(InlineEngine(), tmp_path)(function, [1], "label")


def test_results_that_are_not_plain_are_refused(tmp_path):
    with pytest.raises(TypeError, match="plain data; build"):
        KeptMap(InlineEngine(), tmp_path)(build, [{1, 2}], "sets")


def test_a_cancelled_task_does_not_run():
    engine = InlineEngine()
    engine.submit(Task("a", f"{__name__}:build", (1,)))
    engine.submit(Task("b", f"{__name__}:build", (2,)))
    engine.cancel("a")

    assert [outcome.key for outcome in engine.poll(0)] == ["b"]
    assert engine.poll(0) == []


SCRIPT = """
import json, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_kept_map as t
from fulmen.engines.inline import InlineEngine
from fulmen.engines.kept_map import KeptMap
root = Path({root!r})
print(json.dumps(KeptMap(InlineEngine(), root / "kept")(t.square, t.items(root, dies_at=3), "squares")))
"""


@pytest.mark.process
def test_a_killed_map_goes_on_where_it_was(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parent), root=str(tmp_path))
    first = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert first.returncode == -9
    assert [result["value"] for result in json.loads(second.stdout)] == [0, 1, 4, 9, 16, 25]
    # 3 was begun twice, since it was killed on its way; nothing else was.
    assert (tmp_path / "log").read_text().split() == ["0", "1", "2", "3", "3", "4", "5"]
