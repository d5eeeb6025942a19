"""The parser of FulmenCLI: Lightning's, with checked files, one-line errors and names in the help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonargparse._actions import ActionConfigFile, _ActionConfigLoad
from lightning.pytorch.cli import LightningArgumentParser

from fulmen.config import limits, short_names, suggestions
from fulmen.config.documents import is_file_name, read_document
from fulmen.config.one_line_errors import OneLineErrors
from fulmen.config.parse_log import parse_log
from fulmen.errors import ConfigError
from fulmen.host import VERBS, host
from fulmen.names import names_of_kind, near_matches


class CheckedConfigFile(ActionConfigFile):
    """``--config``: looks at a file before jsonargparse parses it."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Check the file, then do as jsonargparse does."""
        if isinstance(values, str) and is_file_name(values) and "://" not in values:
            try:
                parse_log.files[values] = document = read_document(values)
                _check_keys(parser, document, values)
            except ConfigError as error:
                parser.error(str(error))
        super().__call__(parser, cfg, values, option_string)  # type: ignore[no-untyped-call]


class RunnerParser(OneLineErrors, LightningArgumentParser):
    """Lightning's parser, with errors in one line.

    Attributes:
        first: The keys whose options stand first in the help: a verb's own, before those of the Trainer.
    """

    first: frozenset[str] = frozenset()

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        """Return the parsed config; numbers that make no sense are refused here."""
        config = super().parse_args(*args, **kwargs)
        for key, number, expected in limits.beyond(config.get(config.get("subcommand") or "", config)):
            file = parse_log.file_of(key, str(number))
            self.error(f"{f'{file}: ' if file else ''}{key}: expected {expected}, got {number}.")
        return config

    def _apply_actions(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        """Leave out the blocks of verbs for which the command built no parser, to start sooner."""
        if self._subcommands_action is not None and isinstance(cfg, dict):
            foreign = VERBS - set(self._subcommands_action._name_parser_map)
            cfg = {key: value for key, value in cfg.items() if key not in foreign}
        return super()._apply_actions(cfg, *args, **kwargs)

    def format_help(self, *args: Any) -> str:
        """Return the help: a short usage, all options, the names of the components that may be written."""
        groups = self._action_groups
        self._action_groups = sorted(groups, key=self._place_in_help)
        try:
            usage, blank, options = super().format_help(*args).partition("\n\n")
        finally:
            self._action_groups = groups  # in whose order objects are built
        if self._subcommands_action is None and usage.count("\n") > 3:  # it repeats the options
            usage = f"usage: {self.prog.replace(' [options]', '')} [--config FILE] [OPTIONS]"
        return usage + blank + options + _names_help(self)

    def _place_in_help(self, group: Any) -> int:
        if group in self._action_groups[:2]:  # argparse's own: --help, --config
            return 0
        own = any(action.dest.partition(".")[0] in self.first for action in group._group_actions)
        return 1 if own else 2


def _names_help(parser: LightningArgumentParser) -> str:
    """List the short names of the kinds that this parser takes."""
    declared = [cls for key in suggestions.keys(parser) for cls in suggestions.declared(key, parser)]
    kinds = dict.fromkeys(kind for cls in declared if (kind := short_names.kind_of(cls)))
    lines = [f"  {kind}: {', '.join(found)}" for kind in kinds if (found := names_of_kind(host(), kind))]
    return (
        "\nnames of installed components (`fulmen plugins` says more):\n" + "\n".join(lines) + "\n"
        if lines
        else ""
    )


def _check_keys(parser: Any, document: Mapping[str, Any], file: str) -> None:
    """Refuse what jsonargparse lets pass: an unknown key of nothing, a group of keys that is none."""
    if (subcommands := parser._subcommands_action) is not None:
        for verb, subparser in subcommands._name_parser_map.items():
            if isinstance(block := document.get(verb), Mapping):
                _check_keys(subparser, block, file)
        return
    known = [key for key in suggestions.keys(parser) if not key.endswith(".help")]
    groups = {".".join(key.split(".")[:depth]) for key in known for depth in range(1, key.count(".") + 1)}
    whole = {action.dest for action in parser._actions if isinstance(action, _ActionConfigLoad)}
    for key, value in _inside_groups(document, groups):
        if key in whole and not isinstance(value, Mapping | str):
            raise ConfigError(f"{file}: {key}: expected keys and their values, got {value!r:.60}.")
        if isinstance(value, Mapping) and "class_path" in value and suggestions.declared(key, parser):
            _check_class_keys(value, f"{file}: {key}")
        if key not in groups and key not in known and value == {}:
            near = suggestions.did_you_mean(suggestions.near_keys(key, [*known, *groups]))
            raise ConfigError(f"{file}: {key}: no such key{near}")


def _check_class_keys(value: Mapping[str, Any], where: str) -> None:
    """Refuse what stands beside ``class_path``: jsonargparse would take them all for options."""
    for word in value:
        if word not in suggestions.CLASS_KEYS:
            near = suggestions.did_you_mean(near_matches(str(word), suggestions.CLASS_KEYS)[:1])
            hint = near if len(near) > 1 else "; options of the class stand below init_args."
            raise ConfigError(f"{where}.{word}: no such key{hint}")


def _inside_groups(document: Mapping[str, Any], groups: set[str]) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        yield key, value
        if key in groups and isinstance(value, Mapping):
            yield from _inside_groups({f"{key}.{inner}": value[inner] for inner in value}, groups)
