"""The promises of the repository itself: pins, public names, import contracts, what is not in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import fulmen

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PLUGINS = sorted(path.parent for path in (REPOSITORY / "plugins").glob("*/plugin.py"))

# fulmen's public surface. A name is added here, on purpose, together with the docs that explain it.
PUBLIC = {
    *("Component", "Kind", "Command", "hookimpl"),
    *("Runner", "FulmenCLI"),
    *("Analyzer", "AnalysisContext", "Report", "new_figure"),
    *("Searcher", "Candidate", "Evaluation", "Objective", "Engine", "Task", "TaskRunner", "Outcome"),
    *("UserError", "write_artifact", "load_checkpoint", "progress", "keyed_generator"),
    "ResumableLoader",
}

# The modules of a plugin that may know Lightning and fulmen; all others are algorithms.
ADAPTERS = {"__init__", "plugin", "callbacks", "strategy", "searcher", "analyzer", "engine"}
FURTHER_ADAPTERS = {
    # data modules, commands
    "fulmen_attention_granger": {
        *("series_data", "simulated_data", "time_series_data", "grasshopper_data"),
        *("spiking_network_data", "graded_network_data", "lorenz96_data", "linear_var_data", "henon_data"),
        *("nonlinear_var_data", "unconnected_data", "common_driver_data", "hidden_drivers_data"),
        *("forecaster_base", "forecaster", "paper"),  # models
        *("graph_charts", "score_charts", "graph_report", "model_report", "comparison"),  # the report
        *("pieces", "notebook", "options"),  # of an analysis
        "commands",
    },
    # data modules, searchers, the conformance suite of genes
    "fulmen_evolution": {
        *("patch_data", "peers", "telling", "optuna_searcher", "pymoo_searcher", "testing"),
    },
    # a data module, models, a callback, commands
    "fulmen_split_parallel": {
        *("graph_data", "models", "vertex_model", "counters", "predictions", "check", "commands"),
        *("redundancy_pieces", "redundancy_charts"),  # parts of the analyzer
    },
    # a model, a callback, data modules
    "fulmen_vision": {"classifier", "predictions", "image_data", "digits", "idx", "npz", "image_folder"},
    "fulmen_zero_space_ecc": {
        *("wot", "qat", "starting", "guards"),  # the callback `wot` and its parts
        *("weight_distribution", "charts", "data_free_report"),  # an analyzer and its parts
        *("callback", "file", "commands"),  # the callback `zero_space_ecc`, its files and commands
        *("memory_faults", "fault_options", "fault_charts", "labelled_batches"),  # an analyzer and its parts
    },
}


def test_the_public_names_are_exactly_these():
    assert set(fulmen.__all__) == PUBLIC
    assert set(dir(fulmen)) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_name_is_defined(name):
    assert getattr(fulmen, name).__doc__


@pytest.mark.parametrize(
    "statement",
    [
        "import fulmen, fulmen.errors",
        "import fulmen; fulmen.Component, fulmen.hookimpl, fulmen.UserError",
        "import fulmen.testing.pytest_plugin",
        *(f"import {plugin.name}.plugin as p; p.fulmen_components()" for plugin in PLUGINS),
    ],
)
def test_discovery_imports_nothing_heavy(statement):
    heavy = "{'torch', 'lightning', 'numpy', 'matplotlib', 'pandas', 'jsonargparse'}"
    found = _python(f"import sys; {statement}; print(*sorted({heavy} & set(sys.modules)))")

    assert found.split() == []


def test_versions_agree():
    citation = (REPOSITORY / "CITATION.cff").read_text()
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()

    assert fulmen.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\n## {PROJECT['version']}\n" in changelog


def test_every_pin_is_exact():
    lines = [line for line in _pin_lines() if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9.]+", line)]

    assert lines == []


def test_every_dependency_is_pinned_within_its_range():
    from packaging.requirements import Requirement

    pins = _pins()
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    requirements = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    outside = [
        str(r)
        for r in requirements
        if r.name != "fulmen" and not r.specifier.contains(pins.get(_canonical(r.name), "0"))
    ]

    assert outside == []


def test_everything_installed_for_a_pinned_package_is_pinned():
    """`make venv` resolves nothing by itself: the constraints hold indirect dependencies too."""
    from importlib import metadata

    from packaging.requirements import Requirement

    pins = _pins()
    missing = set()
    for name in pins:
        try:
            requirements = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:  # a tool that this environment was made without
            continue
        needed = [r.name for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})]
        missing.update(f"{name} needs {n}" for n in needed if _canonical(n) not in pins)

    assert {line for line in missing if not re.search(r" needs (nvidia-|cuda-|triton)", line)} == set()


def test_the_malicious_lightning_releases_are_refused():
    """2.6.2 and 2.6.3 ran a credential stealer at import (GHSA-w37p-236h-pfx3)."""
    from packaging.requirements import Requirement

    allowed = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "lightning").specifier

    assert not any(allowed.contains(bad) for bad in ("2.6.2", "2.6.3"))
    assert {_pins()["lightning"], _pins()["pytorch-lightning"]}.isdisjoint({"2.6.2", "2.6.3"})


def test_no_tracked_file_names_a_registry_host_or_a_folder_of_one_machine():
    # Written so that this file does not find itself.
    hosts = ["py" + r"pi\.org", "pythonhosted" + r"\.org", "registry" + r"\.npmjs", "deb" + r"\.debian\.org"]
    folders = [rf"(?<![\w.~-])/{name}/" for name in ("tmp/w", "work/main", "work/shared", "work/.library")]
    folders += [rf"(?<![\w.~-])/{name}\b" for name in ("opt/wheels", "opt/" + "pypi", "root")]
    forbidden = re.compile("|".join([*hosts, *folders]))
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path in _tracked_files()
        if path != Path("tests/test_house.py")
        for number, line in enumerate(_text(REPOSITORY / path).splitlines(), start=1)
        if forbidden.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_plugins_use_only_public_names_of_fulmen(plugin):
    wrong = []
    for path, node in _imports(plugin):
        for module, name in _targets(node):
            if module == "fulmen" and name is not None and name not in PUBLIC:
                wrong.append(f"{path.name}: from fulmen import {name}")
            inner = module.startswith("fulmen.") and module.split(".")[1] not in {"errors", "testing"}
            if inner:
                wrong.append(f"{path.name}: {module}")

    assert wrong == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_algorithms_import_neither_lightning_nor_fulmen(plugin):
    adapters = ADAPTERS | FURTHER_ADAPTERS.get(plugin.name, set())
    wrong = [
        f"{path.relative_to(plugin)}: {module}"
        for path, node in _imports(plugin)
        if path.stem not in adapters
        for module, _ in _targets(node)
        if module.split(".")[0] in {"lightning", "pytorch_lightning", "lightning_fabric", "fulmen"}
    ]

    assert wrong == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_every_in_repo_plugin_is_an_entry_point_like_a_strangers(plugin):
    assert f"{plugin.name}.plugin" in PROJECT["entry-points"]["fulmen"].values()
    assert (plugin / "py.typed").exists()


def test_make_help_lists_every_target():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (help .*)$", makefile, re.MULTILINE)[1].split()
    helped = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert [line.split()[1] for line in helped.stdout.splitlines() if "make help" not in line] == [
        target for target in targets if target != "help"
    ]


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def _pin_lines() -> list[str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _pins() -> dict[str, str]:
    return {_canonical(name): version for name, version in (line.split("==") for line in _pin_lines())}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of tracked files")
    return [
        path for name in listed.stdout.split("\0") if name and (REPOSITORY / (path := Path(name))).exists()
    ]


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def _imports(package: Path) -> Iterator[tuple[Path, ast.Import | ast.ImportFrom]]:
    """Yield the imports of a package that happen at run time, wherever they stand."""
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text())
        typing_only = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and node not in typing_only:
                yield path, node


def _targets(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        return [(alias.name, None) for alias in node.names]
    return [] if node.level else [(node.module or "", alias.name) for alias in node.names]
