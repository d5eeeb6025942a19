"""A report under ``kill -9`` is the old one or the new one, never a mixture."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from fulmen import Report, keyed_generator
from fulmen.artifacts import sweep_temporaries

KILLS = 20

# Imports once, then forks a writer for each line: the kills hit the writing, not the importing.
NURSERY = """
import itertools, os, sys
import numpy, pandas
from fulmen.analysis import page, report_files, tables
sys.path.insert(0, sys.argv[2])
from test_reports_kills import numbered
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        for number in itertools.count(int(line)):
            numbered(number).save(sys.argv[1])
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


def numbered(number: int) -> Report:
    """A report whose every part says which one it is; odd ones have a part that even ones lack."""
    tables = {"always": pd.DataFrame({"number": np.full(50, number)})}
    if number % 2:
        tables["odd"] = pd.DataFrame({"number": [number]})
    arrays = {"number": np.full(1000, number)}
    return Report(str(number), {"number": number}, tables, {}, arrays, [f"This is {number}."])


def number_of(folder) -> int:
    """The number that every file of the report on disk agrees on; AssertionError if it is a mixture."""
    number = int(Report.load(folder).title)
    assert Report.load(folder) == numbered(number)
    assert f"<li>This is {number}.</li>" in (folder / "report.html").read_text()
    assert {path.stem for path in (folder / "tables").iterdir()} == numbered(number).tables.keys()
    return number


@pytest.mark.process
def test_a_killed_save_leaves_the_old_report_or_the_new_one(tmp_path):
    folder = numbered(0).save(tmp_path / "report")
    seen = []
    command = [sys.executable, "-c", NURSERY, str(folder), os.path.dirname(__file__)]  # noqa: PTH120
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        # Until the writers have written between the kills, however slow the machine is.
        for kill in itertools.takewhile(lambda kill: kill < KILLS or seen[-1] <= KILLS, itertools.count()):
            nursery.stdin.write(f"{number_of(folder) + 1}\n")
            nursery.stdin.flush()
            writer = int(nursery.stdout.readline())
            time.sleep(keyed_generator(1, "kill", kill).uniform(0.02, 0.3) * (1 + kill / KILLS))
            os.kill(writer, signal.SIGKILL)
            assert nursery.stdout.readline() == "gone\n"
            seen.append(number_of(folder))
        nursery.stdin.close()

    assert seen == sorted(seen)
    sweep_temporaries(tmp_path)  # as the next process does at its first report
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_the_check_notices_a_mixture(tmp_path):
    folder, other = numbered(1).save(tmp_path / "report"), numbered(2).save(tmp_path / "other")

    (other / "arrays.npz").replace(folder / "arrays.npz")

    with pytest.raises(AssertionError):
        number_of(folder)
