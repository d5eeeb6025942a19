"""What needs neither torch nor Lightning is answered without them, and quickly.

How quickly is measured by benchmarks/front_door.py: seconds depend on the machine. What makes them
is tested here: which modules are imported, and how many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import fulmen

HEAVY = {"torch", "lightning", "numpy", "pandas", "matplotlib", "jsonargparse", "rich", "psutil"}

QUICK = {
    "--version": HEAVY | {"yaml", "pluggy", "importlib.metadata", "inspect", "fulmen_vision"},
    "--help": HEAVY | {"yaml", "pluggy", "importlib.metadata", "inspect", "fulmen_vision"},
    "plugins": HEAVY | {"yaml"},
    "plugins --json": HEAVY | {"yaml"},
    "plugins --help": HEAVY | {"yaml"},
    "fitt": HEAVY | {"yaml"},
    "vision --help": HEAVY | {"yaml"},
    "--disable vision plugins": HEAVY | {"yaml", "fulmen_vision"},
}


def imported_by(words, path=()):
    """Return what stands on stdout and the modules that a fresh process has imported at its end."""
    statement = (
        "import sys; from fulmen.__main__ import main; status = main(sys.argv[1:]);"
        "sys.stderr.write('\\nmodules: ' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", statement, *words.split()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, set(done.stderr.rpartition("modules: ")[2].split())


@pytest.mark.parametrize("words", QUICK)
def test_nothing_heavy_is_imported(words):
    _, modules = imported_by(words)

    assert QUICK[words] & modules == set()


def test_few_modules_are_imported():
    _, bare = imported_by("--version")
    _, listing = imported_by("plugins")

    assert len([name for name in bare if name.startswith("fulmen")]) <= 6
    assert len(listing) <= 260


def test_a_hundred_more_plugins_import_no_more_than_themselves(tmp_path):
    for number in range(100):
        write_plugin(tmp_path, number)
    _, before = imported_by("plugins")

    out, after = imported_by("plugins", [tmp_path])

    assert len([line for line in out.splitlines() if line.startswith("many_")]) == 100
    assert "[broken]" not in out
    assert {name for name in after - before if not name.startswith("fulmen_many_")} == set()
    assert len(after - before) == 200  # the package and plugin.py of each


def write_plugin(site, number):
    name = f"fulmen_many_{number}"
    info = site / f"{name}-1.0.dist-info"
    for folder in (info, site / name):
        folder.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fulmen]\nmany_{number} = {name}.plugin\n")
    (site / name / "__init__.py").touch()
    (site / name / "parts.py").write_text("import torch\n\nclass Part: ...\n")
    (site / name / "plugin.py").write_text(
        "import fulmen\n\n@fulmen.hookimpl\ndef fulmen_components():\n"
        f"    return [fulmen.Component('callback', 'part', '{name}.parts:Part', 'A part.')]\n"
    )


def test_version(run_fulmen):
    assert run_fulmen("--version").stdout == f"fulmen {fulmen.__version__}\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(words, run_fulmen):
    ran = run_fulmen(*words)

    assert ran.status == 0
    for verb in ("fit", "validate", "test", "predict", "analyze", "plugins", "new-plugin", "PLUGIN CMD"):
        assert f"\n  {verb} " in ran.stdout


def test_a_verbs_own_options_stand_before_the_trainers(run_fulmen):
    out = run_fulmen("search", "--help").stdout

    places = [out.index(f"\n  {o}") for o in ("--quiet", "--searcher", "--budget", "--fidelity", "--trainer")]
    assert places == sorted(places)


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m fulmen plugins | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert done.stdout in {"0\n", "1\n"}  # it may have written all before the reader went


def test_the_list_names_each_component_with_its_summary(run_fulmen):
    out = run_fulmen("plugins").stdout

    assert out.startswith(f"fulmen  (fulmen {fulmen.__version__}, built in)\n")
    assert "processes              Runs tasks in persistent worker processes of this machine.\n" in out
    assert f"vision  (fulmen {fulmen.__version__})\n" in out
    (line,) = [line for line in out.splitlines() if " wot " in line]
    assert line.split()[0] == "callback"
    assert line.endswith("Trains int8 weights whose check bits fit in place.")


def test_the_list_for_programs(run_fulmen):
    records = {record["name"]: record for record in json.loads(run_fulmen("plugins", "--json").stdout)}

    assert [c["name"] for c in records["fulmen"]["components"]] == ["inline", "processes", "ray"]
    vision = records["vision"]
    assert (vision["distribution"], vision["version"]) == ("fulmen", fulmen.__version__)
    assert (vision["state"], vision["cause"]) == ("ok", None)
    assert vision["file"].endswith("plugin.py")
    digits = next(component for component in vision["components"] if component["name"] == "digits")
    assert digits == {
        "kind": "data",
        "name": "digits",
        "target": "fulmen_vision.digits:Digits",
        "summary": "1,797 scanned digits of 8x8 pixels, bundled with scikit-learn.",
        "extra": "vision",
        "extra_installed": True,
    }


@pytest.mark.parametrize("position", ["before", "after"])
def test_disabled_plugins_are_listed_as_such(position, run_fulmen):
    words = ["--disable", "vision"]

    out = run_fulmen(*([*words, "plugins"] if position == "before" else ["plugins", *words])).stdout

    assert "[disabled] disabled by FULMEN_DISABLE or --disable" in out
    assert "small_cnn" not in out
    assert " wot " in out


def test_a_plugins_command_keeps_its_own_options(installed, run_fulmen):
    installed("good")

    assert run_fulmen("good", "greet", "world", "--times=2").stdout == "hello world\nhello world\n"
    assert "--disable: no such option" in run_fulmen("good", "greet", "world", "--disable=x").stderr


@pytest.mark.parametrize("words", [["good"], ["good", "--help"], ["good", "-h"]])
def test_a_plugins_commands_are_listed(words, installed, run_fulmen):
    installed("good")

    out = run_fulmen(*words).stdout

    assert out.startswith("usage: fulmen good COMMAND [OPTIONS]\n")
    assert "greet            Greet somebody.\n" in out


def test_a_commands_help_shows_its_parameters(installed, run_fulmen):
    installed("good")

    ran = run_fulmen("good", "greet", "--help")

    assert ran.status == 0
    for expected in ("usage: fulmen good greet", "How often. (type: int, default: 1)", "Who is greeted."):
        assert expected in ran.stdout


def test_a_plugin_without_commands_says_so(run_fulmen):
    ran = run_fulmen("vision", "--help")

    assert ran.status == 0
    assert "It has no commands." in ran.stdout
