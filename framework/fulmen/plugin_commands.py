"""Runs the commands that plugins add: ``fulmen <plugin> <command>``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fulmen.errors import ConfigError, PluginError
from fulmen.installed import Plugin
from fulmen.names import near_matches
from fulmen.targets import load_target


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
    if not commands:
        raise ConfigError(f"plugin {plugin.name!r} has no commands; `fulmen plugins` lists what it offers.")
    if not argv or argv[0] in {"-h", "--help"}:
        lines = [f"  {name:<16} {command.summary}" for name, command in commands.items()]
        sys.stdout.write("\n".join([f"usage: fulmen {plugin.name} COMMAND [OPTIONS]", "", *lines, ""]))
        return 0
    if argv[0] not in commands:
        near = near_matches(argv[0], commands)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(commands)}."
        raise ConfigError(f"plugin {plugin.name!r} has no command {argv[0]!r}{hint}")
    from jsonargparse import auto_cli  # not on the way of the help above: it takes a while

    function = load_target(commands[argv[0]].target, f"command {argv[0]!r} of plugin {plugin.name!r}")
    result = auto_cli(function, args=list(argv[1:]), prog=f"fulmen {plugin.name} {argv[0]}")
    return result if isinstance(result, int) else 0
