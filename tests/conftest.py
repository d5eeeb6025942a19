"""What every test may use. The environment is set before torch or matplotlib are imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fulmen import host
from fulmen.testing.pytest_plugin import Ran

# Two test processes share two cores, and bit-exact comparisons need one order of summation.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["COLUMNS"] = "120"
for _name in ("FULMEN_DISABLE", "FULMEN_ONLY", "FULMEN_DEBUG"):
    os.environ.pop(_name, None)

# Collecting the tests imports everything, as in fulmen.frozen_imports.
gc.disable()

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="one more setting of what others show; run with --long"))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep graphs that are made, and the like, out of the user's cache folder; test processes share one."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    os.environ["XDG_CACHE_HOME"] = str(shared / "cache")


@pytest.fixture(autouse=True)
def _no_meeting_place_left() -> Iterator[None]:
    """Lightning leaves in the environment where the ranks of a run met; the next run is another."""
    yield
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def run_fulmen(fulmen_run: Callable[..., Ran]) -> Callable[..., Ran]:
    """Run ``fulmen ARGUMENTS`` in this warm process, in an empty folder (``tmp_path``)."""
    return fulmen_run


@pytest.fixture
def make_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a plugin by hand, quicker than pip does: ``make_plugin("hello", source, distribution=...)``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, source: str, distribution: str | None = None, value: str | None = None) -> Path:
        distribution = distribution or f"fulmen-{name}"
        package = f"fulmen_{distribution.replace('-', '_')}"
        for module in [module for module in sys.modules if module.partition(".")[0] == package]:
            del sys.modules[module]  # of an earlier test
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        for folder in (info, site / package):
            folder.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[fulmen]\n{name} = {value or f'{package}.plugin'}\n")
        (site / package / "__init__.py").touch()
        (site / package / "plugin.py").write_text(f"import fulmen\n\n{source}\n")
        host.reset()
        return info

    yield make
    monkeypatch.undo()
    host.reset()
