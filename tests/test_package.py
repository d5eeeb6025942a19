"""The wheel and the sdist: both build, both install, and neither forgets a file."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> dict[str, Path]:
    """The sdist, built from the tracked files, and the wheel, built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    source = _copy_of_the_sources(tmp_path_factory.mktemp("source"))
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source)
    return {"sdist": next(folder.glob("*.tar.gz")), "wheel": next(folder.glob("*.whl"))}


def test_the_wheel_holds_every_file_of_the_packages(distributions):
    expected = {str(PurePosixPath(*path.parts[1:])) for path in _sources() if _is_shipped(path)}
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert inside == expected


def test_the_sdist_holds_what_a_build_needs(distributions):
    with tarfile.open(distributions["sdist"]) as sdist:
        inside = {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in sdist.getnames()}

    needed = {PurePosixPath(path) for path in _sources() if _is_shipped(path)}
    needed |= {PurePosixPath(name) for name in ("pyproject.toml", "README.md", "LICENSE")}
    assert needed <= inside


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_and_its_plugins_are_found(distributions, kind, tmp_path):
    python = _scratch_environment(tmp_path)
    _run(*_pip(python), "install", "--no-deps", "--no-build-isolation", distributions[kind])

    facts = json.loads(_run(python, "-c", _FACTS))

    assert facts["version"] == PROJECT["version"]
    assert Path(facts["file"]).is_relative_to(tmp_path)
    assert facts["plugins"] == PROJECT["entry-points"]["fulmen"]
    script = _run(python.parent / "fulmen", "--version")
    assert PROJECT["version"] in script


_FACTS = """
import importlib.metadata as m, json, fulmen
d = m.distribution("fulmen")
plugins = {e.name: e.value for e in d.entry_points if e.group == "fulmen"}
for value in plugins.values():
    __import__(value)
print(json.dumps({"version": d.version, "file": fulmen.__file__, "plugins": plugins}))
"""


def _sources() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of what belongs to it")
    return [Path(name) for name in listed.stdout.split("\0") if name and (REPOSITORY / name).exists()]


def _is_shipped(path: Path) -> bool:
    return path.parts[0] in {"framework", "plugins"}


def _copy_of_the_sources(folder: Path) -> Path:
    for path in _sources():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / path).read_bytes())
    return folder


def _scratch_environment(folder: Path) -> Path:
    """An environment without fulmen that borrows its dependencies from this one."""
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A folder named in a .pth file is searched last and its own .pth files are not read, so that the
    # editable fulmen of this environment stays unseen.
    Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _pip(python: Path) -> list[str | Path]:
    return [sys.executable, "-m", "pip", "-qq", "--python", python]


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
