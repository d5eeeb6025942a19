"""Which component a name means, and what is said of a name that means none."""

from __future__ import annotations

import sys

import pytest

from fulmen import names
from fulmen.errors import PluginError
from fulmen.targets import load_target, parameters

PARTS = """
class Exact: ...
class Folded: ...
class Imported: ...
"""


@pytest.fixture
def two_plugins(make_plugin, tmp_path):
    """``left`` and ``right``: each has `shared`, left has `greet_all`, right has `solo`."""
    for plugin, own in (("left", "greet_all"), ("right", "solo")):
        target = f"fulmen_fulmen_{plugin}.parts:Exact"
        listed = ", ".join(f"fulmen.Component('callback', {n!r}, {target!r}, '')" for n in ("shared", own))
        make_plugin(plugin, f"@fulmen.hookimpl\ndef fulmen_components():\n    return [{listed}]")
        (tmp_path / "site" / f"fulmen_fulmen_{plugin}" / "parts.py").write_text(PARTS)


LEFT, RIGHT = "fulmen_fulmen_left.parts.Exact", "fulmen_fulmen_right.parts.Exact"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("greet_all", LEFT),
        ("left.greet_all", LEFT),
        ("Greet-All", LEFT),
        ("LEFT.greet-all", LEFT),
        ("left.shared", LEFT),
        ("right.shared", RIGHT),
        ("solo", RIGHT),
        ("unknown", None),
        ("some.module.Class", None),
        (LEFT, None),
    ],
)
def test_a_name_means_one_component(name, path, two_plugins):
    assert names.find("callback", name) == path


def test_a_name_of_two_plugins_is_ambiguous(two_plugins):
    with pytest.raises(PluginError, match=r"several plugins; write one of: left\.shared, right\.shared\."):
        names.find("callback", "shared")


def test_the_kind_is_a_part_of_the_name(two_plugins):
    assert names.find("strategy", "solo") is None


def imported(name):
    """Stand for the classes that are imported: LightningCLI knows them by their names alone."""
    return {"Solo": "mine.Solo", "solo": "mine.solo", "GreetAll": "mine.GreetAll"}.get(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("solo", RIGHT),  # an exact short name wins over an imported class
        ("Solo", "mine.Solo"),  # an imported class wins over a folded short name
        ("SOLO", RIGHT),
        ("GreetAll", "mine.GreetAll"),
    ],
)
def test_exact_then_imported_then_folded(name, path, two_plugins):
    assert names.find("callback", name, imported) == path


@pytest.mark.parametrize("name", ["to_disable.greet", "To-Disable.greet"])
def test_a_disabled_plugin_is_named(name, make_plugin, monkeypatch):
    make_plugin("to_disable", "")
    monkeypatch.setenv("FULMEN_DISABLE", "to_disable")

    with pytest.raises(PluginError, match="plugin 'to_disable' is disabled: disabled by FULMEN_DISABLE"):
        names.find("callback", name)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("callback", "greet_al", "no callback is called 'greet_al'; did you mean 'greet_all'?"),
        ("callback", "left.greet_al", "did you mean 'left.greet_all'"),
        ("callback", "EarlyStoping", "did you mean 'EarlyStopping'?"),
        ("callback", "xyzzy", "no callback is called 'xyzzy'. `fulmen plugins` lists all."),
        (
            "strategy",
            "solo",
            "'solo' (plugin right) is of the kind callback; one of the kind strategy is expected",
        ),
        ("strategy", "right.Solo", "is of the kind callback"),
    ],
)
def test_what_is_said_of_an_unknown_name(kind, name, said, two_plugins):
    assert said in names.explain_unknown(kind, name, ["EarlyStopping"])


def test_it_may_be_of_a_plugin_that_is_not_loaded(make_plugin):
    make_plugin("bad", "1 / 0")

    assert "not loaded: bad (broken: ZeroDivisionError" in names.explain_unknown("callback", "xyzzy")


@pytest.mark.parametrize(
    ("requirement", "installed"),
    [
        ("pytest; extra == 'more'", True),
        ("pytest>=1; extra == 'more'", True),
        ("pytest>=1000; extra == 'more'", False),
        ("surely-not-installed; extra == 'more'", False),
        ("surely-not-installed; extra == 'other'", False),
        ("surely-not-installed; sys_platform == 'nowhere' and extra == 'more'", False),
        ("pytest", False),
    ],
)
def test_an_extra_is_installed_when_all_that_it_requires_is(requirement, installed, make_plugin, monkeypatch):
    listed = "fulmen.Component('callback', 'greet', 'fulmen_fulmen_more.plugin:fulmen', '', extra='more')"
    info = make_plugin("more", f"@fulmen.hookimpl\ndef fulmen_components():\n    return [{listed}]")
    with (info / "METADATA").open("a") as file:
        file.write(f"Provides-Extra: more\nRequires-Dist: {requirement}\n")
    names._extra_state.cache_clear()

    if installed:
        assert names.find("callback", "greet") == "fulmen_fulmen_more.plugin.fulmen"
    else:
        with pytest.raises(PluginError, match=r"pip install 'fulmen-more\[more\]'"):
            names.find("callback", "greet")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("fulmen_nowhere:A", "cannot be imported: ModuleNotFoundError: No module named 'fulmen_nowhere'"),
        ("os:nowhere", "does not exist: os has no 'nowhere'"),
        ("os:path.nowhere", "does not exist: os has no 'path.nowhere'"),
    ],
)
def test_a_target_that_cannot_be_had_names_its_owner(target, said):
    with pytest.raises(PluginError, match="callback 'greet'") as refused:
        load_target(target, "callback 'greet'")

    assert said in str(refused.value)


def test_a_target_may_be_nested():
    assert load_target("os:path.join", "x") is sys.modules["os"].path.join


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("fulmen_vision.small_cnn:SmallCNN", True),
        ("fulmen_vision.small_cnn:Nothing", False),
        ("fulmen_nowhere:A", False),
        ("math:A", False),
    ],
)
def test_parameters_are_read_without_an_import(target, found):
    before = set(sys.modules)

    assert ("num_classes" in parameters(target)) == found
    assert set(sys.modules) - before <= {"ast", "_ast"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "there is no module 'my_models', and "),
        (["my_models.py"], "not on Python's path (PYTHONPATH=. puts it there)"),
        (["my_models/__init__.py"], "not on Python's path"),
    ],
)
def test_a_module_of_this_folder_is_recognised(files, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert said in names.explain_no_module("my_models.Net")
