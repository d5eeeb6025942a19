"""The front door: what needs neither torch nor Lightning is answered here, the rest is passed on."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

import fulmen
from fulmen import exits
from fulmen.errors import ConfigError

VERBS = {
    "fit": "Train a model.",
    "validate": "Run a model over the validation data.",
    "test": "Run a model over the test data.",
    "predict": "Run a model over data; a callback keeps what it predicts.",
    "analyze": "Examine a model or data and write a report.",
    "search": "Search for the best configs by several objectives.",
    "studies": "List, show, watch, stop, compare and export searches.",
    "plugins": "List the installed plugins and what they offer (--json for programs).",
    "new-plugin": "Write a plugin distribution of your own, ready to install.",
}

HELP = """\
usage: fulmen [--disable PLUGINS] [--trust-checkpoint FILE] VERB [--config FILE] [OPTIONS]

A PyTorch Lightning runner whose parts come from plugins, composed by YAML.

verbs:
{verbs}
  {command:<12} Run a command that a plugin adds; `fulmen PLUGIN --help` lists them.

options:
  --help                   Show this; `fulmen VERB --help` shows the options of a verb.
  --version                Show the version.
  --disable a,b            Leave plugins out (also FULMEN_DISABLE=a,b; FULMEN_ONLY=a,b loads only these).
  --trust-checkpoint FILE  Accept a checkpoint that needs pickle, which can run any code.
  --quiet                  No progress bar and no summaries; warnings and errors only.

`fulmen VERB --print_config` shows every option with its value. FULMEN_DEBUG=1 shows tracebacks.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``fulmen`` command.

    Args:
        argv: The arguments, without the program's name; by default those of this process.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the input was refused, 130 interrupted, 143
        terminated.
    """
    try:
        with exits.exit_statuses():
            return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else exits.FAILED if error.code else 0
    except BrokenPipeError:  # the reader of a pipe has gone: `fulmen plugins | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the interpreter flushes it at exit
        return exits.FAILED


def _dispatch(argv: list[str]) -> int:
    argv, disabled = _take_global_options(argv)
    if argv[:1] in ([], ["--help"], ["-h"], ["help"]):
        sys.stdout.write(_help())
        return 0
    if argv[0] == "--version":
        sys.stdout.write(f"fulmen {fulmen.__version__}\n")
        return 0
    from fulmen.config.command_line import split  # after the quick answers

    line = split(argv)
    _require_plugins(disabled)
    own = {"plugins": "plugin_list", "new-plugin": "scaffold", "studies": "studies"}
    if line.verb in own:
        module = f"fulmen.{own[line.verb]}"
        return int(importlib.import_module(module).run(argv[: line.position] + argv[line.position + 1 :]))
    if line.verb is None or line.verb in VERBS:
        return int(_command().run(argv))
    return _plugin_command(line.verb, argv[line.position + 1 :])


def _command() -> ModuleType:
    """Import what the verbs need, which takes seconds; once in a process, as freezing is for imports."""
    if "fulmen.command" in sys.modules:
        return sys.modules["fulmen.command"]
    from fulmen.frozen_imports import frozen_imports

    with exits.at_once_on_ctrl_c(), frozen_imports():
        return importlib.import_module("fulmen.command")


def _take_global_options(argv: list[str]) -> tuple[list[str], list[str]]:
    """Act on the options that are for all of fulmen; return the other words, and the plugins disabled.

    They may also follow a verb of fulmen's, but not a plugin's command, which has options of its own.
    """
    rest: list[str] = []
    disabled: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in {"--disable", "--trust-checkpoint"}:
            rest.append(word)
            if not word.startswith("-") and len(rest) == 1 and word not in VERBS:
                return rest + list(words), disabled
            continue
        value = value if equals else next(words, "")
        if not value:
            raise ConfigError(f"{option}: a value is expected after it.")
        if option == "--disable":
            disabled += value.split(",")
        else:
            importlib.import_module("fulmen.checkpoints").trust_checkpoint(value)
    if disabled:
        # By the environment, so that the ranks that a strategy starts leave them out too.
        os.environ["FULMEN_DISABLE"] = ",".join([os.environ.get("FULMEN_DISABLE", ""), *disabled])
    return rest, disabled


def _require_plugins(names: Sequence[str]) -> None:
    """Refuse to disable what is not there: whoever mistypes a name believes it disabled."""
    if not names:
        return
    from fulmen.host import host
    from fulmen.installed import fold
    from fulmen.names import near_matches

    plugins = host().plugins.values()
    known = {name for plugin in plugins for name in (plugin.name, *plugin.distribution.split(", "))}
    for name in names:
        if fold(name.strip()) not in map(fold, known):
            hint = _did_you_mean(near_matches(name, known))
            raise ConfigError(f"--disable: no plugin is called {name!r}{hint} `fulmen plugins` lists all.")


def _plugin_command(plugin: str, argv: list[str]) -> int:
    from fulmen.host import host
    from fulmen.names import near_matches

    plugins = host().plugins
    if plugin not in plugins:
        hint = _did_you_mean(near_matches(plugin, [*VERBS, *plugins]))
        raise ConfigError(f"no verb or plugin is called {plugin!r}{hint} `fulmen --help` lists the verbs.")
    return int(importlib.import_module("fulmen.plugin_commands").run(plugins[plugin], argv))


def _did_you_mean(near: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else "."


def _help() -> str:
    verbs = "\n".join(f"  {verb:<12} {summary}" for verb, summary in VERBS.items())
    return HELP.format(verbs=verbs, command="PLUGIN CMD")


if __name__ == "__main__":
    sys.exit(main())
