"""The conformance kit passes what is good, and each broken promise fails the tests that are for it."""

from __future__ import annotations

import importlib
import inspect
import json
import os
from pathlib import Path

import pytest

from fulmen import host
from fulmen.testing import (
    AnalyzerConformance,
    CallbackConformance,
    DataConformance,
    ModelConformance,
    NetworkConformance,
    PluginConformance,
    StrategyConformance,
)

SAMPLES = Path(__file__).parent / "samples"
REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = [path.parent for path in sorted(REPOSITORY.glob("plugins/*/plugin.py"))]


class Network(NetworkConformance):
    output_shape = (4, 3)


class OneProcess(StrategyConformance):
    """A strategy of one process."""


class TwoProcesses(StrategyConformance):
    processes = 2


@pytest.fixture(autouse=True)
def _samples(monkeypatch):
    monkeypatch.syspath_prepend(SAMPLES)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def failures(suite: type, folder: Path, only: set[str] | None = None, **attributes: object) -> set[str]:
    """Run each test of a suite on its own and return those that fail, by their names without ``test_``."""
    derived = type("Derived", (suite,), attributes)
    names = {name.removeprefix("test_") for name in dir(derived) if name.startswith("test_")}
    failed = set()
    for name in sorted(names if only is None else only):
        own = folder / name
        own.mkdir()
        test = getattr(derived(), f"test_{name}")
        try:
            test(*([own] if inspect.signature(test).parameters else []))
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):
            failed.add(name)
    return failed


OPTIONS = "each_option_has_a_type_and_a_line_of_documentation"
PLAIN = "it_works_in_plain_lightning"
RESUME = "resuming_equals_not_having_stopped"
EQUAL = {"it_equals_one_device", "it_accumulates_gradients", "it_keeps_to_the_precision"}

COMPONENTS = [
    (CallbackConformance, "Good", set()),
    (CallbackConformance, "Forgets", {RESUME, PLAIN}),
    (CallbackConformance, "NumpyState", {"its_state_loads_back_as_data", RESUME, PLAIN}),
    (CallbackConformance, "LoadsNothing", {"its_state_loads_back_as_data"}),
    (CallbackConformance, "LosesGradients", {"it_survives_gradient_accumulation"}),
    (CallbackConformance, "Steps", {"it_survives_gradient_accumulation"}),
    (CallbackConformance, "NeedsTheRunner", {PLAIN}),
    (CallbackConformance, "TellsRanksApart", {"it_survives_two_processes"}),
    (CallbackConformance, "NeedsManyBatches", {"it_survives_fast_dev_run"}),
    (CallbackConformance, "Unexplained", {OPTIONS}),
    (ModelConformance, "SavesAPath", {"its_checkpoint_loads", PLAIN}),
    (ModelConformance, "CannotPredict", {"it_runs_every_verb_that_it_has_a_step_for"}),
    (Network, "GoodNetwork", set()),
    (Network, "OneTooMany", {"its_output_has_the_right_shape"}),
    (Network, "HiddenScale", {"its_weights_load_back"}),
    (Network, "Unseeded", {"the_same_seed_makes_the_same_weights"}),
    (Network, "Detached", {"it_learns"}),
    (DataConformance, "Growing", {"they_may_be_prepared_twice"}),
    (DataConformance, "NoTests", {"every_loader_gives_batches"}),
    (
        DataConformance,
        "ChangingOrder",
        {"they_may_be_prepared_twice", "the_same_seed_gives_the_same_batches"},
    ),
    (AnalyzerConformance, "GoodAnalyzer", set()),
    (AnalyzerConformance, "Draws", {"it_leaves_the_random_state_as_it_was"}),
    (AnalyzerConformance, "ChangesTheModel", {"it_leaves_the_model_as_it_was"}),
    (AnalyzerConformance, "NeverTheSame", {"the_same_seed_gives_the_same_report"}),
    (AnalyzerConformance, "CountsItsWork", {"it_goes_on_after_a_kill"}),
    (AnalyzerConformance, "TakesAModelForGranted", {"it_says_what_it_lacks"}),
    (TwoProcesses, "GoodStrategy", set()),
    (OneProcess, "OneDevice", set()),
    (OneProcess, "DoublesTheLoss", {*EQUAL, "it_finds_the_known_solution"}),
    (
        OneProcess,
        "RenamesKeys",
        {
            *(*EQUAL, "it_clips_gradients", "it_finds_the_known_solution"),
            "its_checkpoint_has_the_models_keys",
        },
    ),
]


@pytest.mark.process
@pytest.mark.parametrize(("suite", "name", "expected"), COMPONENTS, ids=[name for _, name, _ in COMPONENTS])
def test_a_broken_promise_fails_its_tests(suite, name, expected, tmp_path):
    """One that keeps all promises is put to every test."""
    only = expected or None

    assert failures(suite, tmp_path, only, component=f"sample_components.{name}") == expected


@pytest.mark.long
@pytest.mark.process
@pytest.mark.parametrize(("suite", "name", "expected"), [row for row in COMPONENTS if row[2]])
def test_a_broken_promise_fails_no_others(suite, name, expected, tmp_path):
    assert failures(suite, tmp_path, component=f"sample_components.{name}") == expected


def test_the_kits_own_toys_pass(tmp_path):
    toys = "fulmen.testing.toys"

    assert failures(ModelConformance, tmp_path, component=f"{toys}.ToyClassifier") == set()
    (tmp_path / "data").mkdir()
    assert failures(DataConformance, tmp_path / "data", component=f"{toys}.ToyImages") == set()


HONEST = """
import fulmen
@fulmen.hookimpl
def fulmen_components():
    target = "sample_components:Good"
    return [fulmen.Component(kind="callback", name="sample", target=target, summary="A sample.")]
"""
PLUGINS = {
    "honest": (HONEST, set()),
    "heavy": (f"import numpy\n{HONEST}", {"listing_it_imports_nothing_heavy"}),
    "silent": (HONEST.replace("A sample.", " "), {"each_component_has_a_summary"}),
    "unexplained": (HONEST.replace(":Good", ":Unexplained"), {OPTIONS}),
    "misplaced": (HONEST.replace(":Good", ":GoodNetwork"), {"each_component_is_of_its_kind"}),
    "missing": (
        HONEST.replace(":Good", ":Nowhere"),
        {"fulmen_plugins_lists_it_as_ok", "each_component_is_of_its_kind", OPTIONS},
    ),
    "newer": (f"FULMEN_API = 99\n{HONEST}", {"fulmen_plugins_lists_it_as_ok"}),
}


@pytest.mark.process
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_breaks_a_promise_fails_its_tests_and_no_others(name, tmp_path, monkeypatch):
    source, expected = PLUGINS[name]
    information = tmp_path / "site" / f"fulmen_sample_{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: fulmen-sample-{name}\nVersion: 1.0\n"
    )
    (information / "entry_points.txt").write_text(f"[fulmen]\nsample_{name} = sample_plugin_{name}\n")
    (tmp_path / "site" / f"sample_plugin_{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path / "site")
    host.reset()

    try:
        assert failures(PluginConformance, tmp_path, plugin=f"sample_{name}") == expected
    finally:
        monkeypatch.undo()
        host.reset()


@pytest.mark.parametrize(
    "package", [path.parent for path in REPOSITORY.glob("plugins/*/plugin.py")], ids=lambda path: path.name
)
def test_every_component_of_this_repository_has_a_suite(package):
    plugin = package.name.removeprefix("fulmen_")
    files = sorted((REPOSITORY / "tests" / package.name).glob("test_conformance*.py"))
    suites = "".join(file.read_text() for file in files)
    module = importlib.import_module(f"{package.name}.plugin")
    # A kind that the plugin opens itself is its own to test: the kit knows the core's.
    own = [kind.name for kind in getattr(module, "fulmen_kinds", list)()]
    components = [c for c in module.fulmen_components() if c.kind not in own]

    assert f'plugin = "{plugin}"' in suites
    assert [c.name for c in components if f'component = "{plugin}.{c.name}"' not in suites] == []


def test_fulmen_run_runs_a_command_line_in_an_empty_folder(fulmen_run, tmp_path):
    listed, mistyped = fulmen_run("plugins", "--json"), fulmen_run("fitt")

    assert Path.cwd() == tmp_path
    assert listed.status == 0
    assert listed.stderr == ""
    assert "vision" in {plugin["name"] for plugin in json.loads(listed.stdout)}
    assert mistyped.status == 2
    assert mistyped.stdout == ""
    assert "fitt" in mistyped.stderr


def test_a_plugin_that_is_not_installed_is_told(tmp_path):
    class Absent(PluginConformance):
        plugin = "absent"

    with pytest.raises(pytest.fail.Exception, match="no plugin 'absent' is installed"):
        Absent().test_each_component_has_a_summary()


def test_a_name_that_nobody_offers_is_told_with_near_matches():
    class Mistyped(DataConformance):
        component = "digit"

    with pytest.raises(pytest.fail.Exception, match=r"digit: .*no data is called 'digit'; did you mean"):
        Mistyped().make()


def test_an_option_that_there_is_not_is_told():
    class Mistyped(DataConformance):
        component = "digits"
        init_args = {"batch_sise": 3}

    with pytest.raises(pytest.fail.Exception, match=r"batch_sise.*did you mean 'batch_size'"):
        Mistyped().make()


@pytest.mark.process
def test_a_process_that_hangs_or_dies_ends_the_test(tmp_path):
    from fulmen.testing.processes import in_fresh_processes

    with pytest.raises(pytest.fail.Exception, match="did not end in time"):
        in_fresh_processes(_hang, folder=tmp_path, timeout=0.5)
    with pytest.raises(pytest.fail.Exception, match=r"process 1: died, exit status 7(.|\n)*last words"):
        in_fresh_processes(_die_as_rank_one, folder=tmp_path, count=2)


def _hang() -> None:
    import time

    time.sleep(60)


def _die_as_rank_one() -> None:
    if os.environ["LOCAL_RANK"] == "0":
        _hang()
    os.write(2, b"last words")
    os._exit(7)
