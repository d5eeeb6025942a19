"""Nothing is undocumented: each hook, kind, name, error, dependency and option is on its page."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_every_hook_is_documented():
    from fulmen.hookspecs import HookSpecs

    page = (REPOSITORY / "docs/reference/hooks.md").read_text()
    hooks = [name for name in vars(HookSpecs) if name.startswith("fulmen_")]

    assert len(hooks) >= 5
    assert [hook for hook in hooks if f"`{hook}`" not in page] == []
    assert [hook for hook in hooks if "Example::" not in inspect.getdoc(getattr(HookSpecs, hook))] == []


def test_every_kind_is_documented():
    from fulmen.hookspecs import CORE_KINDS

    page = (REPOSITORY / "docs/reference/hooks.md").read_text()

    assert [kind.name for kind in CORE_KINDS if f"| `{kind.name}` |" not in page] == []


def test_every_public_name_is_documented():
    import fulmen

    page = (REPOSITORY / "docs/reference/contracts.md").read_text()

    assert [name for name in fulmen.__all__ if f"fulmen.{name}" not in page] == []


def test_every_error_class_is_documented():
    from fulmen import errors

    page = (REPOSITORY / "docs/reference/errors.md").read_text()
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value)]

    assert [name for name in classes if f"`{name}`" not in page] == []


def test_every_dependency_is_in_the_table():
    from packaging.requirements import Requirement

    page = (REPOSITORY / "docs/dependencies.md").read_text()
    optional = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in optional for line in optional[extra])]
    names = {Requirement(line).name for line in lines} - {"fulmen"}

    assert sorted(name for name in names if f"| {name} |" not in page) == []


def test_every_module_of_the_core_stands_on_a_floor():
    page = (REPOSITORY / "docs/architecture.md").read_text()
    core = REPOSITORY / "framework" / "fulmen"
    modules = {path.stem for path in core.glob("*.py")} - {"__init__"}
    packages = {f"{path.parent.name}/" for path in core.glob("*/__init__.py")}

    assert sorted(name for name in modules | packages if f"`{name}`" not in page) == []


def test_every_verb_and_its_own_options_are_in_the_reference():
    from fulmen.__main__ import VERBS
    from fulmen.cli import FulmenCLI
    from fulmen.runner import Runner

    page = (REPOSITORY / "docs/reference/verbs.md").read_text()
    hidden = {"self", *FulmenCLI.subcommands()["analyze"]}
    options = [f"--{name}" for name in inspect.signature(Runner.analyze).parameters if name not in hidden]

    assert [verb for verb in VERBS if f"`{verb}`" not in page] == []
    assert {"--analyzer", "--run", "--fresh"} <= set(options)
    assert [option for option in options if f"`{option}`" not in page] == []


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "--help"], ["new-plugin", "--help"]])
def test_every_option_that_the_front_door_helps_with_is_in_the_reference(arguments, run_fulmen):
    page = (REPOSITORY / "docs/reference/verbs.md").read_text()
    helped = run_fulmen(*arguments)
    options = set(re.findall(r"--[a-z][a-z_-]+", helped.stdout)) | set(
        re.findall(r"\bFULMEN_[A-Z]+", helped.stdout)
    )

    assert helped.status == 0
    assert options
    assert sorted(option for option in options if f"`{option}`" not in page) == []


def _components() -> list[tuple[str, str, str, str]]:
    """Return (plugin, kind, name, target) of every component of the plugins in this repository."""
    return [
        (plugin, component.kind, component.name, component.target)
        for plugin, module in PROJECT["entry-points"]["fulmen"].items()
        for component in importlib.import_module(module).fulmen_components()
    ]


@pytest.mark.parametrize("plugin", sorted(PROJECT["entry-points"]["fulmen"]))
def test_every_option_of_a_component_is_on_its_plugins_page(plugin):
    page = (REPOSITORY / f"docs/plugins/{plugin}.md").read_text()
    missing = []
    for owner, kind, name, target in _components():
        if owner != plugin:
            continue
        section = _section(page, f"{kind} `{name}`")
        options = _options(target)
        missing += [f"{kind} {name}"] if section is None else []
        missing += [f"{name}: {option}" for option in options if f"`{option}`" not in (section or "")]

    assert missing == []


def _options(target: str) -> list[str]:
    module, _, name = target.partition(":")
    signature = inspect.signature(getattr(importlib.import_module(module), name).__init__)
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return [p.name for p in signature.parameters.values() if p.name != "self" and p.kind not in variadic]


def _section(page: str, title: str) -> str | None:
    """Return the text under the heading that begins with ``title``, up to the next of its level."""
    pattern = rf"^#+ {re.escape(title)}.*?$(.*?)(?=^#{{1,3}} |\Z)"
    match = re.search(pattern, page, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    return match[1] if match else None
