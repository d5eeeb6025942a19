"""The host finds every plugin, loads each on its own, and says of a fault whose it is."""

from __future__ import annotations

import sys

import pytest

from fulmen.__main__ import VERBS
from fulmen.host import VERBS as RESERVED
from fulmen.host import Host, host, reset

CALLBACK = 'fulmen.Component("callback", {name!r}, {target!r}, "A callback.")'


def offers(*components, hook="fulmen_components"):
    return f"@fulmen.hookimpl\ndef {hook}():\n    return [{', '.join(components)}]\n"


def callback(name="greet", target="lightning.pytorch.callbacks:Callback"):
    return CALLBACK.format(name=name, target=target)


def test_it_lists_what_a_plugin_offers(make_plugin):
    make_plugin("hello", offers(callback()))

    plugin = host().plugins["hello"]

    assert (plugin.state, plugin.cause, plugin.distribution, plugin.version) == (
        "ok",
        None,
        "fulmen-hello",
        "1.0",
    )
    assert [component.name for component in plugin.components] == ["greet"]
    assert plugin.file.endswith("plugin.py")


BROKEN = {
    "no module": ("", "fulmen_nothing.plugin", "No module named 'fulmen_nothing'"),
    "an object": ("plugin = 1", "fulmen_fulmen_bad.plugin:plugin", "drop the ':plugin'"),
    "leaves": ("raise SystemExit('bye')", None, "SystemExit: bye"),
    "syntax": ("def", None, "SyntaxError"),
    "newer": ("FULMEN_API = 2", None, "this fulmen speaks 1; upgrade fulmen"),
    "older": ("FULMEN_API = 0", None, "this fulmen speaks 1; upgrade fulmen-bad"),
    "no number": ("FULMEN_API = '1'", None, "written for contract version '1'"),
    "unknown hook": (offers(hook="fulmen_component"), None, "unknown hook 'fulmen_component'"),
    "raises": (
        "@fulmen.hookimpl\ndef fulmen_kinds():\n    1 / 0",
        None,
        "fulmen_kinds() raised ZeroDivisionError",
    ),
    "leaves in a hook": ("@fulmen.hookimpl\ndef fulmen_kinds():\n    exit()", None, "fulmen_kinds() raised"),
    "no list": (
        "@fulmen.hookimpl\ndef fulmen_commands():\n    return 3",
        None,
        "must return a list of fulmen.Command",
    ),
    "no record": (offers("('callback', 'greet')"), None, "must return a list of fulmen.Component"),
    "bad name": (offers(callback("a.b")), None, "'a.b' must be an identifier without dots"),
    "bad target": (offers(callback(target="a.b.C")), None, "'a.b.C' must be 'module:Class'"),
    "one name twice": (offers(callback(), callback()), None, "two components named 'greet'"),
    "known kind": (
        offers("fulmen.Kind('model', 'a:B', '')", hook="fulmen_kinds"),
        None,
        "the kind 'model' on lightning",
    ),
    "known base": (
        offers("fulmen.Kind('layer', 'torch.nn:Module', '')", hook="fulmen_kinds"),
        None,
        "the kind 'network'",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_harms_only_itself(case, make_plugin):
    source, value, cause = BROKEN[case]
    make_plugin("hello", offers(callback()))
    make_plugin("bad", source, value=value)

    plugins = host().plugins

    assert plugins["bad"].state == "broken"
    assert cause in plugins["bad"].cause
    assert "\n" not in plugins["bad"].cause
    assert plugins["bad"].components == []
    assert plugins["hello"].state == plugins["vision"].state == "ok"
    (line,) = [line for line in host().faults if "'bad'" in line]
    assert "fulmen-bad 1.0" in line


def test_a_plugin_may_not_be_called_like_a_verb(make_plugin):
    make_plugin("fit", offers(callback()))

    assert "that of a verb" in host().plugins["fit"].cause


def test_every_verb_is_reserved():
    assert set(VERBS) <= RESERVED


@pytest.mark.parametrize("damage", ["METADATA", "empty METADATA", "binary entry points"])
def test_an_installation_cut_short_harms_only_itself(damage, make_plugin):
    info = make_plugin("cut", offers(callback()))
    if damage == "METADATA":
        (info / "METADATA").unlink()
    elif damage == "empty METADATA":
        (info / "METADATA").write_text("")
    else:
        (info / "entry_points.txt").write_bytes(b"[fulmen]\n\xff\xfe")
    reset()

    assert host().plugins["vision"].state == "ok"


def test_two_claims_to_a_name_refuse_both(make_plugin):
    make_plugin("twin", offers(callback("one")), distribution="left")
    make_plugin("twin", offers(callback("two")), distribution="right")

    twin = host().plugins["twin"]

    assert twin.state == "broken"
    assert twin.components == []
    for owner in ("left 1.0 (fulmen_left.plugin)", "right 1.0 (fulmen_right.plugin)", "--disable"):
        assert owner in twin.cause


def test_leaving_out_one_claimant_settles_it(make_plugin, monkeypatch):
    make_plugin("twin", offers(callback("one")), distribution="left")
    make_plugin("twin", offers(callback("two")), distribution="right")
    monkeypatch.setenv("FULMEN_DISABLE", "left")

    twin = host().plugins["twin"]

    assert (twin.state, [component.name for component in twin.components]) == ("ok", ["two"])


def test_a_distribution_twice_on_the_path_is_one(make_plugin, tmp_path, monkeypatch):
    info = make_plugin("hello", offers(callback()))
    again = tmp_path / "again" / "Fulmen.Hello-1.0.dist-info"
    again.mkdir(parents=True)
    for file in info.iterdir():
        (again / file.name).write_text(file.read_text().replace("fulmen-hello", "Fulmen_Hello"))
    monkeypatch.syspath_prepend(str(again.parent))
    reset()

    assert host().plugins["hello"].state == "ok"


@pytest.mark.parametrize("name", ["to_disable", "To-Disable", "fulmen-to_disable"])
def test_a_disabled_plugin_is_not_imported(name, make_plugin, monkeypatch):
    make_plugin("to_disable", "raise RuntimeError('imported')")
    monkeypatch.setenv("FULMEN_DISABLE", f"other, {name}")

    plugin = host().plugins["to_disable"]

    assert (plugin.state, plugin.cause) == ("disabled", "disabled by FULMEN_DISABLE or --disable")
    assert "fulmen_fulmen_to_disable.plugin" not in sys.modules
    assert not [line for line in host().faults if "to_disable" in line]


def test_only_those_allowed_are_loaded(make_plugin, monkeypatch):
    make_plugin("hello", offers(callback()))
    monkeypatch.setenv("FULMEN_ONLY", "hello")

    states = {name: plugin.state for name, plugin in host().plugins.items()}

    assert states["hello"] == "ok"
    assert set(states.values()) == {"ok", "disabled"}
    assert host().plugins["vision"].cause == "not among FULMEN_ONLY"


def test_a_kind_of_ones_own_is_open_to_others(make_plugin):
    make_plugin("a_user", offers("fulmen.Component('molecule', 'helix', 'fulmen_fulmen_a_user:Helix', '')"))
    make_plugin(
        "opener", offers("fulmen.Kind('molecule', 'fulmen_fulmen_opener:Gene', '')", hook="fulmen_kinds")
    )

    assert host().kinds["molecule"].base == "fulmen_fulmen_opener:Gene"
    assert [component.name for _, component in host().components("molecule")] == ["helix"]


def test_a_component_of_an_unknown_kind_is_left_out_alone(make_plugin):
    make_plugin("user", offers("fulmen.Component('molecule', 'helix', 'a:Helix', '')", callback()))

    plugin = host().plugins["user"]

    assert [component.name for component in plugin.components] == ["greet"]
    (line,) = [line for line in host().faults if "'user'" in line]
    assert "'helix' is of the kind 'molecule', which no plugin opens" in line


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("class Greet:\n    pass", False),
        ("class Greet(object): pass", False),
        ("from os import (\n    path as Greet,\n)", False),
        ("from os import *", False),
        ("def __getattr__(name): ...", False),
        ("try:\n    class Greet: ...\nexcept ImportError:\n    Greet = None", False),
        ("Greet = object", False),
        ("this is no python", False),
        ("class Greeter: ...", True),
        ("'Greet'", True),
        ("", True),
    ],
)
def test_a_class_that_is_not_there_is_a_fault_found_without_an_import(text, missing, make_plugin, tmp_path):
    make_plugin("hello", offers(callback(target="fulmen_fulmen_hello.parts:Greet"), callback("other")))
    (tmp_path / "site" / "fulmen_fulmen_hello" / "parts.py").write_text(text)
    reset()

    plugin = host().plugins["hello"]

    assert (plugin.faults != []) == missing
    assert len(plugin.components) == 2
    assert "fulmen_fulmen_hello.parts" not in sys.modules


@pytest.mark.parametrize("target", ["nowhere:Greet", "fulmen_fulmen_hello.nowhere:Greet", "os.nowhere:Greet"])
def test_a_module_that_is_not_there_is_a_fault(target, make_plugin):
    make_plugin("hello", offers(callback(target=target)))

    assert host().plugins["hello"].faults == [
        f"callback 'greet' does not exist: there is no module {target.partition(':')[0]}"
    ]


def test_a_run_hook_that_raises_spares_the_others(make_plugin):
    make_plugin("a", "@fulmen.hookimpl\ndef fulmen_run_end(status):\n    raise ValueError('a fault')")
    make_plugin("b", "@fulmen.hookimpl\ndef fulmen_run_end(run, error):\n    run.append(error)")
    make_plugin("c", "@fulmen.hookimpl\ndef fulmen_run_end():\n    raise SystemExit(3)")
    run = []

    faults = host().call_each("fulmen_run_end", run=run, status="done", error=None)

    assert run == [None]
    assert sorted(faults) == [
        "plugin 'a' raised in fulmen_run_end: ValueError: a fault",
        "plugin 'c' raised in fulmen_run_end: SystemExit: 3",
    ]


def test_hosts_do_not_share_what_they_found(make_plugin):
    make_plugin("hello", offers(callback()))

    assert Host(disabled=["hello"]).plugins["hello"].state == "disabled"
    assert Host().plugins["hello"].state == "ok"
