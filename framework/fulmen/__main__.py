"""The front door: what needs neither torch nor Lightning is answered here, the rest is passed on."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import fulmen
from fulmen import exits
from fulmen.errors import ConfigError

VERBS = {
    "fit": "Train a model.",
    "validate": "Run a model over the validation data.",
    "test": "Run a model over the test data.",
    "predict": "Run a model and return what it predicts.",
    "analyze": "Examine a model or data and write a report.",
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
    argv = _take_global_options(argv)
    if argv[:1] in ([], ["--help"], ["-h"], ["help"]):
        sys.stdout.write(_help())
        return 0
    if argv[0] == "--version":
        sys.stdout.write(f"fulmen {fulmen.__version__}\n")
        return 0
    from fulmen.config.arguments import split  # after the quick answers: it reads YAML

    verb = split(argv).verb
    if verb in {"plugins", "new-plugin"}:
        arguments = [word for word in argv if word != verb]
        module = "fulmen.plugin_list" if verb == "plugins" else "fulmen.scaffold"
        return int(importlib.import_module(module).run(arguments))
    if verb is None or verb in VERBS:
        return int(importlib.import_module("fulmen.cli").run(argv))
    return _plugin_command(verb, argv)


def _take_global_options(argv: list[str]) -> list[str]:
    """Act on the options that stand before the verb and are for all of fulmen; return the rest."""
    rest = list(argv)
    for position, word in enumerate(argv):
        option, equals, value = word.partition("=")
        if option not in {"--disable", "--trust-checkpoint"}:
            continue
        if not equals:
            if position + 1 >= len(argv):
                raise ConfigError(f"{option}: a value is expected after it.")
            value = argv[position + 1]
        if option == "--disable":
            # By the environment, so that the ranks that a strategy starts leave them out too.
            os.environ["FULMEN_DISABLE"] = ",".join(filter(None, [os.environ.get("FULMEN_DISABLE"), value]))
        else:
            importlib.import_module("fulmen.checkpoints").trust_checkpoint(value)
        at = rest.index(word)
        del rest[at : at + (1 if equals else 2)]
    return rest


def _plugin_command(verb: str, argv: list[str]) -> int:
    from fulmen.host import host
    from fulmen.names import near_matches

    plugins = host().plugins
    if verb not in plugins:
        near = near_matches(verb, [*VERBS, *plugins])
        hint = f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else "."
        raise ConfigError(f"no verb or plugin is called {verb!r}{hint} `fulmen --help` lists the verbs.")
    return int(
        importlib.import_module("fulmen.plugin_commands").run(plugins[verb], argv[argv.index(verb) + 1 :])
    )


def _help() -> str:
    verbs = "\n".join(f"  {verb:<12} {summary}" for verb, summary in VERBS.items())
    return HELP.format(verbs=verbs, command="PLUGIN CMD")


if __name__ == "__main__":
    sys.exit(main())
