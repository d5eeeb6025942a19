"""Runs the commands that plugins add: ``fulmen <plugin> <command>``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from fulmen.errors import ConfigError, PluginError
from fulmen.host import VERB_OF
from fulmen.installed import Plugin
from fulmen.log_lines import shown_lines
from fulmen.names import near_matches
from fulmen.targets import load_target

RUN_KEYS = {
    *("seed_everything", "trainer", "model", "data", "optimizer", "lr_scheduler", "ckpt_path"),
    *("engine", "run", *VERB_OF),
}


def run(plugin: Plugin, argv: Sequence[str]) -> int:
    """Run a command of a plugin; its typed parameters are the options.

    Args:
        plugin: The plugin named.
        argv: What follows the plugin's name.

    Returns:
        What the command returned if that is an int, else 0.
    """
    if plugin.state != "ok":
        raise PluginError(f"plugin {plugin.name!r} is {plugin.state}: {plugin.cause}.")
    commands = {command.name: command for command in plugin.commands}
    if set(argv[:1]) <= {"-h", "--help"}:
        sys.stdout.write(_usage(plugin))
        return 0
    name, *options = argv
    if name not in commands:
        near = near_matches(name, commands)
        has = f"it has {', '.join(commands)}." if commands else "it has none."
        hint = f"did you mean {near[0]!r}?" if near else has
        raise ConfigError(f"plugin {plugin.name!r} has no command {name!r}; {hint}")
    function = load_target(commands[name].target, f"command {name!r} of plugin {plugin.name!r}")
    with shown_lines():
        result = _call(function, options, f"fulmen {plugin.name} {name}")
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _usage(plugin: Plugin) -> str:
    lines = [f"  {command.name:<16} {command.summary}" for command in plugin.commands]
    return "\n".join(
        [f"usage: fulmen {plugin.name} COMMAND [OPTIONS]", "", *(lines or ["  It has no commands."]), ""]
    )


def _call(function: Callable[..., Any], options: Sequence[str], program: str) -> Any:
    from jsonargparse import ArgumentParser, auto_cli  # not on the way of the usage: it takes a while
    from lightning.pytorch import seed_everything

    from fulmen.config import short_names
    from fulmen.config.one_line_errors import OneLineErrors

    class CommandParser(OneLineErrors, ArgumentParser):
        """jsonargparse's parser, with errors in one line, which guesses no options from their beginnings.

        The config of a run serves, too: what it says of a run and the command has no option for is left out.
        """

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{"allow_abbrev": False, **options})

        def _apply_actions(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
            own = {action.dest.partition(".")[0] for action in self._actions}
            if isinstance(cfg, dict) and "config" in own:  # the command, not a class below it
                if isinstance(seed := cfg.get("seed_everything"), int) and not isinstance(seed, bool):
                    seed_everything(seed, verbose=False)
                cfg = {key: value for key, value in cfg.items() if key in own or key not in RUN_KEYS}
            return super()._apply_actions(cfg, *args, **kwargs)

    short_names.install()
    return auto_cli(function, args=list(options), prog=program, parser_class=CommandParser)
