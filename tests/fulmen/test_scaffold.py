"""``new-plugin`` writes a plugin that works as it stands, or refuses in a line and writes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from fulmen.host import host
from fulmen.scaffold.examples import EXAMPLES

LISTED = ["pyproject.toml", "README.md", "example.yaml"]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_plugin_of_each_kind_is_a_few_small_clean_files(fulmen_run, tmp_path, kind):
    ran = fulmen_run("new-plugin", "my-demo", "--kind", kind)
    folder = tmp_path / "fulmen-my-demo"
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    checks = [("check", "--select", "E,F,I,B,UP,SIM,RET"), ("format", "--check")]

    assert ran.status == 0, ran.stderr
    assert files_in(folder) == {
        *LISTED,
        "tests/test_plugin.py",
        *(f"fulmen_my_demo/{name}.py" for name in ("__init__", "plugin", EXAMPLES[kind].module)),
    }
    assert project["project"]["name"] == "fulmen-my-demo"
    assert project["project"]["entry-points"]["fulmen"] == {"my_demo": "fulmen_my_demo.plugin"}
    assert max(len(path.read_text().splitlines()) for path in folder.rglob("*.*") if path.is_file()) <= 65
    for command, *options in checks:
        subprocess.run(
            [sys.executable, "-m", "ruff", command, *options, "--isolated", "--line-length", "110", "."],
            cwd=folder,
            check=True,
        )


def test_it_says_what_to_do_next_in_three_commands(fulmen_run, tmp_path):
    ran = fulmen_run("new-plugin", "--folder=my things/demo", "demo", "--kind=analyzer")

    assert ran.status == 0, ran.stderr
    assert (tmp_path / "my things" / "demo" / "fulmen_demo" / "analyzer.py").exists()
    assert ran.stdout.splitlines() == [
        "my things/demo: 7 files; a plugin with the analyzer 'weight_norms'. Next:",
        "  pip install -e 'my things/demo[test]'",
        "  python -m pytest 'my things/demo'",
        "  fulmen analyze --config 'my things/demo/example.yaml'",
    ]


def test_an_empty_folder_may_be_given(fulmen_run, tmp_path):
    (tmp_path / "empty").mkdir()

    assert fulmen_run("new-plugin", "demo", "--folder", "empty").status == 0
    assert set(LISTED) < files_in(tmp_path / "empty")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "NAME is missing"),
        (["--kind", "data"], "NAME is missing"),
        (["Demo"], "'Demo' cannot name a plugin.*; 'demo' would do"),
        (["my demo!"], "'my-demo' would do"),
        (["fulmen-demo"], "without 'fulmen' before it; 'demo' would do"),
        (["2fast"], "'fast' would do"),
        (["../up"], "'up' would do"),
        (["-"], "no option '-'"),
        (["é"], "'é' cannot name a plugin"),
        (["demo-"], "'demo' would do"),
        (["fit"], "'fit' is a verb"),
        (["vision"], "a plugin 'vision' is installed already"),
        (["zero-space-ecc"], "a plugin 'zero_space_ecc' is installed already"),
        (["demo", "extra"], "NAME is given twice: 'demo' and 'extra'"),
        (["demo", "--kind", "data", "--kind=model"], "--kind is given twice"),
        (["demo", "--kind", "calback"], "no template for 'calback'; did you mean 'callback'"),
        (["demo", "--kind", "strategy"], "no template for 'strategy'"),
        (["demo", "--kind"], "--kind: a value is expected"),
        (["demo", "--folder="], "--folder: a value is expected"),
        (["demo", "--force"], "no option '--force'; it takes --kind and --folder"),
        (["demo", "--folder", "full"], "full is not empty"),
        (["demo", "--folder", "full/file"], "full/file is not a folder"),
        (["demo", "--folder", "full/file/below"], "full/file: cannot be written"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_a_line(fulmen_run, tmp_path, arguments, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")

    ran = fulmen_run("new-plugin", *arguments)

    assert ran.status == 2
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert re.search(said, ran.stderr)
    assert files_in(tmp_path) == {"full/file"}
    assert (tmp_path / "full" / "file").read_text() == "mine"


def test_the_folder_that_one_stands_in_is_refused(fulmen_run, tmp_path):
    ran = fulmen_run("new-plugin", "demo", "--folder", ".")

    assert ran.status == 2
    assert ". is where you are" in ran.stderr
    assert files_in(tmp_path) == set()


def test_help_names_every_kind(fulmen_run):
    ran = fulmen_run("new-plugin", "--help")

    assert ran.status == 0
    assert [kind for kind in EXAMPLES if kind not in ran.stdout] == []
    assert set(EXAMPLES) <= set(host().kinds)


def test_it_is_quick_and_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from fulmen.__main__ import main; main(['new-plugin', 'demo']); "
        "print(sorted({'torch', 'lightning', 'numpy', 'jsonargparse'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


class Scratch:
    """A fresh environment that has all packages of this one, and what is installed beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        self.python = folder / "venv" / "bin" / "python"
        site = Path(
            self.run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        )
        # addsitedir, and not the folder alone: an editable fulmen is found through a .pth file in it.
        borrowed = sysconfig.get_path("purelib")
        (site / "borrowed.pth").write_text(f"import site; site.addsitedir({borrowed!r})\n")

    def install(self, *folders: Path) -> None:
        quick = ("-qq", "--no-deps", "--no-build-isolation", "--no-compile")
        self.run(sys.executable, "-m", "pip", "--python", self.python, "install", *quick, *folders)

    def fulmen(self, *arguments: str | Path) -> str:
        return self.run(self.python, "-m", "fulmen", *arguments)

    def run(self, *command: str | Path) -> str:
        words = [str(word) for word in command]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@pytest.mark.process
def test_new_plugins_of_every_kind_install_pass_their_tests_and_are_used(tmp_path):
    """All in one environment; the tests of a callback's are run by docs/testing-plugins.md."""
    scratch = Scratch(tmp_path)
    for kind in EXAMPLES:
        scratch.fulmen("new-plugin", f"my{kind}", "--kind", kind)
    scratch.install(*(tmp_path / f"fulmen-my{kind}" for kind in EXAMPLES))
    records = {record["name"]: record for record in json.loads(scratch.fulmen("plugins", "--json"))}
    folders = [f"fulmen-my{kind}" for kind in EXAMPLES if kind != "callback"]
    tested = scratch.run(
        scratch.python, "-m", "pytest", "-q", "--import-mode=importlib", *folders, "--rootdir", tmp_path
    )
    scratch.fulmen("fit", "--config", "fulmen-mycallback/example.yaml")

    assert {records[f"my{kind}"]["state"] for kind in EXAMPLES} == {"ok"}
    record = records["mycallback"]
    assert (record["distribution"], record["version"]) == ("fulmen-mycallback", "0.1.0")
    assert [component["name"] for component in record["components"]] == ["gradient_norm"]
    assert Path(record["file"]).is_relative_to(tmp_path / "venv")
    assert re.search(r"\d\d passed", tested)
    assert "failed" not in tested
    assert list(tmp_path.glob("runs/mycallback/version_0/events*"))
