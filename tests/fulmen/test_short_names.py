"""Every route by which a class is named takes every kind by short, folded, qualified and full name.

fulmen replaces one private function of jsonargparse. If a new version resolves names elsewhere, a
test of this file fails: one for each route.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml
from jsonargparse import _from_config, _typehints
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel

from fulmen import FulmenCLI, Runner
from fulmen.config import short_names
from fulmen.errors import FulmenError

# Kind: short name, folded, class, an option.
KINDS = {
    "strategy": ("solo", "SOLO", "Solo", "lanes"),
    "callback": ("salute", "Salute", "Salutation", "words"),
    "searcher": ("dice", "DICE", "DiceSearcher", "sides"),
    "analyzer": ("census", "Census", "ParameterCensus", "scale"),
    "engine": ("at_once", "At-Once", "ImmediateEngine", "workers"),
    "model": ("line", "LINE", "LinearRegression", "rate"),
    "network": ("affine", "Affine", "AffineMap", "features"),
    "data": ("points", "Points", "RandomPoints", "count"),
    "flavour": ("vanilla", "VANILLA", "VanillaFlavour", "sweetness"),  # a kind that a plugin opened
}
SPELLINGS = ["short", "folded", "qualified", "qualified and folded", "full"]
CASES = [(kind, spelling) for kind in KINDS for spelling in SPELLINGS]
EVERY = pytest.mark.parametrize(("kind", "spelling"), CASES)
KEYS = {
    "model": "model",
    "data": "data",
    "analyzer": "analyzer",
    "trainer.strategy": "strategy",
    "trainer.callbacks": "callback",
}
ON_TOP = [(key, kind, spelling) for key, kind in KEYS.items() for spelling in SPELLINGS]
FORMS = [(*case, form) for case in ON_TOP for form in ("text", "mapping")]
FORMS += [("trainer.callbacks", "callback", spelling, "list") for spelling in SPELLINGS]
NEEDED = {"model": ["--model.network=affine"], "analyzer": ["--model=line", "--model.network=affine"]}


def spelled(kind, spelling):
    short, folded, cls, _ = KINDS[kind]
    full = f"fulmen_good.parts.{cls}"
    return {
        "short": short,
        "folded": folded,
        "qualified": f"good.{short}",
        "qualified and folded": f"Good.{folded}",
        "full": full,
    }[spelling]


def path(kind):
    return f"fulmen_good.parts.{KINDS[kind][2]}"


def option(kind):
    return KINDS[kind][3]


@pytest.fixture
def good(installed):
    installed("good")


@pytest.fixture
def parsed(good, run_fulmen):
    """Return what ``--print_config`` prints."""

    def parsed(*arguments):
        ran = run_fulmen(*arguments, "--print_config")
        assert ran.status == 0, ran.stderr
        return yaml.safe_load(ran.stdout)

    return parsed


@pytest.fixture
def write(tmp_path):
    def write(config, name="a.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(config))
        return f"--config={name}"

    return write


@EVERY
def test_nested_on_the_command_line(kind, spelling, parsed):
    key = f"--analyzer.{kind}"

    config = parsed(
        "analyze", "--analyzer=census", f"{key}={spelled(kind, spelling)}", f"{key}.{option(kind)}=3"
    )

    named = config["analyzer"]["init_args"][kind]
    assert (named["class_path"], int(named["init_args"][option(kind)])) == (path(kind), 3)


@EVERY
@pytest.mark.parametrize("form", ["text", "mapping"])
def test_nested_in_a_file(kind, spelling, form, parsed, write):
    name = spelled(kind, spelling)
    set_to = "3" if kind == "callback" else 3
    value = name if form == "text" else {"class_path": name, "init_args": {option(kind): set_to}}
    file = write({"analyzer": {"class_path": "census", "init_args": {kind: value}}})

    named = parsed("analyze", file)["analyzer"]["init_args"][kind]

    assert named["class_path"] == path(kind)
    assert form == "text" or int(named["init_args"][option(kind)]) == 3


def at(config, key):
    for part in key.split("."):
        config = config[part]
    return config[0] if isinstance(config, list) else config


@pytest.mark.parametrize(("key", "kind", "spelling"), ON_TOP)
def test_on_top_on_the_command_line(key, kind, spelling, parsed):
    arguments = [f"--{key}={spelled(kind, spelling)}", f"--{key}.{option(kind)}=3", *NEEDED.get(kind, [])]
    if kind != "analyzer":
        arguments.append("--analyzer=census")

    named = at(parsed("analyze", *arguments), key)

    assert (named["class_path"], int(named["init_args"][option(kind)])) == (path(kind), 3)


@pytest.mark.parametrize(("key", "kind", "spelling", "form"), FORMS)
def test_on_top_in_a_file(key, kind, spelling, form, parsed, write):
    name = spelled(kind, spelling)
    value = {"text": name, "mapping": {"class_path": name}, "list": [name, {"class_path": name}]}[form]
    group, _, last = key.rpartition(".")
    document = {group: {last: value}} if group else {key: value}
    arguments = [
        write(document),
        *NEEDED.get(kind, []),
        *([] if kind == "analyzer" else ["--analyzer=census"]),
    ]

    named = at(parsed("analyze", *arguments), key)

    assert named["class_path"] == path(kind)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_appended_to_a_list(spelling, parsed, write):
    file = write({"trainer": {"callbacks": ["wot"]}})
    name = spelled("callback", spelling)

    arguments = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=loss"]
    arguments += [f"--trainer.callbacks+={name}", "--trainer.callbacks.words=hi"]
    callbacks = parsed("fit", file, "--model=line", "--model.network=affine", *arguments)["trainer"][
        "callbacks"
    ]

    assert [callback["class_path"].rpartition(".")[2] for callback in callbacks] == [
        "WeightDistributionTraining",
        "EarlyStopping",
        "Salutation",
    ]
    assert callbacks[2]["init_args"]["words"] == "hi"


@pytest.mark.parametrize(("key", "kind", "spelling"), ON_TOP)
def test_the_help_of_a_class(key, kind, spelling, good, run_fulmen):
    ran = run_fulmen("analyze", f"--{key}.help={spelled(kind, spelling)}")

    assert ran.status == 0, ran.stderr
    assert f"--{key}.{option(kind)}" in ran.stdout


@EVERY
def test_a_printed_config_is_read_again(kind, spelling, parsed, write):
    first = parsed("analyze", "--analyzer=census", f"--analyzer.{kind}={spelled(kind, spelling)}")

    assert parsed("analyze", write(first)) == first


def test_a_saved_config_holds_full_paths_and_runs_again(good, run_fulmen, tmp_path):
    parts = ["--model=line", "--model.network=affine", "--data=points", "--trainer.strategy=solo"]
    quick = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.callbacks+=salute", "--quiet"]
    assert run_fulmen("fit", *parts, *quick).status == 0
    (saved,) = tmp_path.glob("lightning_logs/version_0/config.yaml")
    config = yaml.safe_load(saved.read_text())

    ran = run_fulmen("fit", f"--config={saved}", "--quiet")

    assert ran.status == 0, ran.stderr
    assert config["model"]["class_path"] == path("model")
    assert config["model"]["init_args"]["network"]["class_path"] == path("network")
    assert config["data"]["class_path"] == path("data")
    assert config["trainer"]["strategy"]["class_path"] == path("strategy")
    assert [callback["class_path"] for callback in config["trainer"]["callbacks"]] == [path("callback")]
    again = yaml.safe_load((tmp_path / "lightning_logs/version_1/config.yaml").read_text())
    assert again == config


def test_environment_variables(parsed, monkeypatch):
    for key, value in {
        "TRAINER__MAX_EPOCHS": "9",
        "TRAINER__STRATEGY": "solo",
        "TRAINER__CALLBACKS": "[salute, {class_path: good.salute, init_args: {words: hi}}]",
        "MODEL": "{class_path: line, init_args: {network: Affine}}",
        "DATA": "points",
    }.items():
        monkeypatch.setenv(f"FULMEN_FIT__{key}", value)

    config = parsed("fit", "--trainer.max_steps=7")

    assert (config["trainer"]["max_epochs"], config["trainer"]["max_steps"]) == (9, 7)
    assert config["trainer"]["strategy"]["class_path"] == path("strategy")
    assert [callback["class_path"] for callback in config["trainer"]["callbacks"]] == [path("callback")] * 2
    assert config["model"]["init_args"]["network"]["class_path"] == path("network")
    assert config["data"]["class_path"] == path("data")


def test_the_command_line_wins_over_the_environment(parsed, monkeypatch):
    monkeypatch.setenv("FULMEN_FIT__TRAINER__MAX_EPOCHS", "9")

    config = parsed("fit", "--model=line", "--model.network=affine", "--trainer.max_epochs=2")

    assert config["trainer"]["max_epochs"] == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strategy", "auto"),
        ("strategy", "ddp"),
        ("profiler", "simple"),
        ("accelerator", "cpu"),
        ("precision", "bf16-mixed"),
        ("devices", "auto"),
    ],
)
def test_the_words_of_lightning_stay_words(key, value, parsed):
    config = parsed("fit", "--model=line", "--model.network=affine", f"--trainer.{key}={value}")

    assert config["trainer"][key] == value


def test_classes_are_named_as_in_lightning_cli(parsed):
    config = parsed("fit", "--model=BoringModel", "--trainer.logger=CSVLogger", "--trainer.logger.save_dir=x")

    assert config["model"]["class_path"].endswith(".BoringModel")
    assert config["trainer"]["logger"]["class_path"].endswith("CSVLogger")


class Wot(Callback):
    """A user's class, whose name is a short name when folded."""


def test_a_class_of_the_users_wins_over_a_folded_name(parsed):
    callbacks = [f"--trainer.callbacks+={name}" for name in ("wot", "Wot", "WOT")]

    config = parsed("fit", "--model=line", "--model.network=affine", *callbacks)

    named = [callback["class_path"].rpartition(".")[2] for callback in config["trainer"]["callbacks"]]
    assert named == ["WeightDistributionTraining", "Wot", "WeightDistributionTraining"]


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "analyze"])
def test_the_help_of_a_verb_is_short_of_usage_and_lists_the_names(verb, good, run_fulmen):
    out = run_fulmen(verb, "--help").stdout

    assert out.startswith(f"usage: fulmen {verb} [--config FILE] [OPTIONS]\n\n")
    assert "--trainer.max_epochs MAX_EPOCHS" in out
    _, _, listing = out.partition("names of installed components")
    listed = {line.partition(":")[0].strip(): line for line in listing.splitlines()}
    for kind in ["model", "data", "callback", "strategy", *(["analyzer"] if verb == "analyze" else [])]:
        assert KINDS[kind][0] in listed[kind]


def test_a_components_module_is_imported_when_it_is_named(third_party, tmp_path, repository):
    """Nor are libraries that only some verbs need; what is imported is frozen, the collector on again."""
    statement = (
        "import gc, sys; from fulmen.__main__ import main; main(sys.argv[1:]);"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000; assert 'pandas' not in sys.modules;"
        "sys.stderr.write(' '.join(m for m in sys.modules if m.startswith('fulmen_')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", statement, "fit", "--model=line", "--model.network=affine", "--print_config"],
        env={**os.environ, "PYTHONPATH": str(third_party("good"))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    modules = set(done.stderr.split())
    assert "fulmen_good.parts" in modules
    ours = {path.parent.name for path in repository.glob("plugins/*/plugin.py")}
    assert {m for m in modules if not m.startswith("fulmen_good")} == ours | {
        f"{name}.plugin" for name in ours
    }


def test_in_a_script_of_the_users(good):
    arguments = ["--trainer.strategy=solo", "--trainer.callbacks+=salute", "--trainer.logger=false"]

    cli = FulmenCLI(BoringModel, BoringDataModule, args=arguments, run=False)

    assert type(cli.trainer.strategy).__name__ == "Solo"
    assert "Salutation" in [type(callback).__name__ for callback in cli.trainer.callbacks]


def test_lightning_cli_beside_it_works_on(good):
    short_names.install()

    cli = LightningCLI(
        BoringModel, BoringDataModule, args=["--trainer.callbacks+=DeviceStatsMonitor"], run=False
    )

    assert "DeviceStatsMonitor" in [type(callback).__name__ for callback in cli.trainer.callbacks]


@pytest.mark.parametrize("name", ["solo", "Solo", "good.solo"])
def test_a_runner_takes_the_name_of_a_strategy(name, good):
    assert type(Runner(strategy=name, accelerator="cpu", logger=False).strategy).__name__ == "Solo"


def test_a_class_of_the_working_directory_is_found(run_fulmen, tmp_path):
    """As under ``python script.py``; for the time of the command."""
    (tmp_path / "mine_here.py").write_text(
        "from lightning.pytorch.demos.boring_classes import BoringModel as Mine\n"
    )

    ran = run_fulmen("fit", "--model=mine_here.Mine", "--print_config")

    assert ran.status == 0, ran.stderr
    assert "class_path: mine_here.Mine" in ran.stdout
    assert str(tmp_path) not in sys.path


def test_installing_twice_changes_nothing(good):
    short_names.install()
    before = _typehints.resolve_class_path_by_name, _from_config.resolve_class_path_by_name

    short_names.install()

    assert (_typehints.resolve_class_path_by_name, _from_config.resolve_class_path_by_name) == before


@pytest.mark.parametrize("module", [_typehints, _from_config])
def test_a_jsonargparse_that_it_does_not_know_is_named(module, monkeypatch):
    monkeypatch.delattr(module, "resolve_class_path_by_name")

    with pytest.raises(FulmenError, match=r"pip install 'jsonargparse>=4\.53,<4\.54'"):
        short_names.install()
