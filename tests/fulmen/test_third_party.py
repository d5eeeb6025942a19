"""Strangers' distributions, installed with pip: a good one works beside eight broken ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# Distribution to what a user is told of it.
BROKEN = {
    "import_error": "No module named 'module_that_nobody_has'",
    "wrong_version": "written for contract version 2, this fulmen speaks 1; upgrade fulmen",
    "bad_arguments": "{'trainer'} are declared in the hookimpl but can not be found in the hookspec",
    "taken_name": "'vision' is claimed by fulmen-taken-name 1.0 (fulmen_taken_name.plugin) and fulmen ",
    "raising_hook": "fulmen_components() raised RuntimeError: the stars are wrong",
    "missing_component": "fulmen_missing_component.parts has no 'Nowhere'",
    "not_a_module": "must name a module, got 'fulmen_not_a_module.plugin:plugin'; drop the ':plugin'",
    "missing_extra": "the extra 'moon'",
}
PLUGIN = {name: "vision" if name == "taken_name" else name for name in BROKEN}

QUICK = ["--trainer.fast_dev_run=1", "--trainer.accelerator=cpu", "--quiet"]
MODEL = ["--model=line", "--model.network=affine", "--data=points"]
PARTS = [*MODEL, "--trainer.strategy=solo", "--trainer.callbacks+=salute"]


def test_the_good_one_works_in_every_verb_beside_all_of_them(installed, run_fulmen):
    installed("good", *BROKEN)
    from fulmen_good.parts import said
    from fulmen_good.plugin import runs

    for verb in ("fit", "validate", "test", "predict"):
        said.clear()
        runs.clear()
        ran = run_fulmen(verb, *PARTS, *QUICK)
        assert ran.status == 0, ran.stderr
        assert said[0] == f"hello {verb}"
        assert runs == ["start", "done"]

    ran = run_fulmen("analyze", *MODEL, "--analyzer=census", "--analyzer.flavour=vanilla", *QUICK)
    assert ran.status == 0, ran.stderr
    ran = run_fulmen("good", "greet", "world")
    assert (ran.status, ran.stdout) == (0, "hello world\n")
    ran = run_fulmen("plugins")
    assert ran.status == 0
    assert "good  (fulmen-good 1.0)\n" in ran.stdout


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_one_is_one_line_of_the_list(broken, installed, run_fulmen):
    installed("good", broken)

    ran = run_fulmen("plugins")

    (line,) = [line for line in ran.stdout.splitlines() if BROKEN[broken] in line]
    assert ran.stderr == ""
    assert line.startswith("  callback" if broken == "missing_extra" else PLUGIN[broken])


@pytest.mark.parametrize("broken", BROKEN)
def test_the_list_for_programs_names_state_and_cause(broken, installed, run_fulmen):
    installed(broken)

    records = {record["name"]: record for record in json.loads(run_fulmen("plugins", "--json").stdout)}

    record = records[PLUGIN[broken]]
    if broken == "missing_extra":
        (component,) = record["components"]
        assert (record["state"], component["extra"], component["extra_installed"]) == ("ok", "moon", False)
    else:
        assert record["state"] == "broken"
        assert BROKEN[broken] in record["cause"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_run_that_does_not_use_it_says_one_line(broken, installed, run_fulmen, caplog):
    installed("good", broken)

    ran = run_fulmen("fit", *MODEL, *QUICK)

    lines = [record.getMessage() for record in caplog.records if BROKEN[broken] in record.getMessage()]
    assert ran.status == 0, ran.stderr
    # An extra that is not installed is no fault: nobody has to want it.
    assert len(lines) == (0 if broken == "missing_extra" else 1)


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("spelling", ["{plugin}.{part}", "{part}"])
def test_using_it_is_an_error_that_names_plugin_and_cause(broken, spelling, installed, run_fulmen):
    installed("good", broken)
    name = spelling.format(plugin=PLUGIN[broken], part=f"{broken}_part")

    ran = run_fulmen("fit", *MODEL, *QUICK, f"--trainer.callbacks+={name}")

    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert ran.status == 2
    assert "Traceback" not in ran.stderr
    assert PLUGIN[broken] in line
    assert BROKEN[broken] in line


def test_nothing_of_a_plugin_but_its_names_is_imported_before_it_is_named(third_party):
    statement = (
        "import sys; from fulmen.__main__ import main; main(['plugins']);"
        "heavy = {'fulmen_good.parts', 'fulmen_good.commands', 'torch', 'lightning', 'numpy', 'pandas'};"
        "print('imported:', *sorted(heavy & set(sys.modules)))"
    )

    out = python(third_party("good"), "-c", statement).stdout

    assert "good  (fulmen-good 1.0)" in out
    assert out.splitlines()[-1] == "imported:"


def python(path, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
