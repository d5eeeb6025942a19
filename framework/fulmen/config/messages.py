"""Shortens what jsonargparse says to one line: the file, the key, what is wrong, the nearest match."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from fulmen.config import short_names, suggestions
from fulmen.config.parse_log import ParseLog
from fulmen.config.suggestions import CLASS_KEYS, did_you_mean, near_keys, owner_of
from fulmen.host import VERB_OF
from fulmen.names import near_matches

_KEY = re.compile(r'Parser key "([^"]+)":\s*')
_REQUIRED = re.compile(r"the following arguments are required: ([^\n]+)")
_UNRECOGNIZED = re.compile(r"unrecognized arguments: (\S+)")
_NO_VERB = re.compile(r'expected "subcommand" to be one of \{(.*?)\}, but it was not provided')
_REJECTED = re.compile(
    r"(?:Group '([\w.]+)' does not accept option|Subcommand '\w+' does not accept option|Option|Key)"
    r" '([^']+)'"
)
_NO_GROUP = re.compile(r"Unable to load config ['\"]([^'\"]*)['\"]")
_IN_CLASS = re.compile(r"^( *)(?:- )?Problem with given class_path '([^']+)':\n", re.MULTILINE)
_NO_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
_OTHER_CLASS = re.compile(
    r"Import path does not correspond to a subclass of (\w+)|Not a valid subclass of (\w+)"
)
_EXPECTED = re.compile(r"Expected an? <class '([\w.]+)'>")
_LITERALS = re.compile(r"Expected an? typing\.Literal\[(.*?)\]")
_NO_FUNCTION = re.compile(r"expects a function or a callable class: ([^\n]+)")
_ABSTRACT = re.compile(r"Expected an instantiatable class, but .*is abstract")
_GIVEN = re.compile(r"\n\s*Given value: (?:NestedArg\(key='[^']*', val=(.*)\)|(.*))\Z", re.DOTALL)
_GOT = re.compile(r"\. Got value: (.*)\Z", re.DOTALL)
_GOT_INSIDE = re.compile(r"\. Got value: ([^\n]+)\n")


def shorten(message: str, parser: Any, log: ParseLog) -> str:
    """Return jsonargparse's message in one line.

    Args:
        message: What jsonargparse would print after 80 lines of usage.
        parser: The parser that failed; its options are searched for near matches.
        log: What was seen in this parse.
    """
    if verbs := _NO_VERB.search(message):
        return f"no verb is given; expected one of {verbs[1].replace(',', ', ')}. `fulmen --help` says more."
    if required := _REQUIRED.match(message):
        return _nothing_given(
            re.sub(r"^(fit|validate|test|predict|analyze|search)\.", "", required[1].strip()), parser
        )
    if unknown := _UNRECOGNIZED.match(message):
        return _unknown_option(unknown[1].partition("=")[0], parser)
    key, line = _leaf(message, parser, log)
    file, key = log.place_of(key, _given(message)) if key else (None, key)
    return ": ".join(part for part in (file, key, line) if part)


def _leaf(message: str, parser: Any, log: ParseLog, owner: type | None = None) -> tuple[str, str]:
    """Return the dotted key that is wrong and the deepest cause, in one line."""
    key, outer = "", message
    if match := _KEY.match(message):
        key, message = match[1], textwrap.dedent(message[match.end() :])
    if line := next((line for line in log.told if line in message), None):
        below = _below(nested, message) if (nested := _IN_CLASS.search(message)) else ""
        inner = _leaf(below, parser, log)[0] if line in below and _KEY.match(below) else ""
        return (_join(key, "init_args", inner) if inner else key), line
    if nested := _IN_CLASS.search(message):
        return _leaf_in_class(key, nested[2], _below(nested, message), outer, parser, log)
    if required := _REQUIRED.search(message):
        return _join(key, required[1].strip()), "nothing is given; a value is expected."
    if rejected := _REJECTED.search(message):
        name = _join(rejected[1] or "", rejected[2])
        top = name.partition(".")[0]
        if owner is None and top in VERB_OF:
            return _join(key, top), f"is for another verb: run `fulmen {VERB_OF[top]}`, or take it out."
        known = suggestions.parameters(owner) if owner else suggestions.keys(parser)
        return _join(key, name), _unknown_key(name, known, owner)
    if unknown := _NO_CLASS.search(message):
        near = near_matches(unknown[1], suggestions.classes(key, parser))
        return key, f"no class is called {unknown[1]!r}{did_you_mean(near)}"
    options = [known[len(key) + 1 :] for known in suggestions.keys(parser) if known.startswith(f"{key}.")]
    options = [option for option in options if not option.endswith(".help")]
    if options and (unread := _NO_GROUP.search(message)):
        named = ", ".join(options[:3]) + ", ..." * (len(options) > 3)
        return key, f"expected its options ({named}), or a file that has them, got {unread[1]!r:.60}."
    return key, _wrong_value(message) or " ".join(message.split())


def _leaf_in_class(
    key: str, path: str, message: str, outer: str, parser: Any, log: ParseLog
) -> tuple[str, str]:
    """Return key and cause of what is wrong inside the value of ``key``, an object of the class ``path``."""
    cls = suggestions.imported_class(path)
    if (rejected := _REJECTED.search(message)) and not _KEY.match(message):
        name = rejected[2].partition(".")[0]
        options = suggestions.parameters(cls)
        near = near_matches(name, [*CLASS_KEYS, *options])[:1]  # an option may stand where its keys do
        if near and near[0] in CLASS_KEYS and name not in (*CLASS_KEYS, *options):
            return _join(key, name), f"no such key{did_you_mean(near)}"
        if cls in suggestions.declared(key, parser) and "'class_path':" not in outer:
            owner = owner_of(name, short_names.kind_of(cls))
            return key, f"{name!r} is given, but no class that takes it; name one by class_path.{owner}"
    inner, line = _leaf(message, parser, log, cls)
    return (_join(key, "init_args", inner), line) if inner else (key, f"{path}: {line}")


def _below(header: re.Match[str], message: str) -> str:
    """Return the lines that stand indented below a header."""
    margin = len(header[1])
    lines = message[header.end() :].splitlines()
    inside = itertools.takewhile(lambda line: len(line) - len(line.lstrip()) > margin or not line, lines)
    return textwrap.dedent("\n".join(inside)).strip()


def _nothing_given(key: str, parser: Any) -> str:
    if f"--{key}" not in suggestions.options(parser):
        return f"{key}: nothing is given; a value is expected (--help says more)."
    return f"{key}: nothing is given; set --{key}, or the key {key!r} in a config (--help says more)."


def _unknown_option(option: str, parser: Any) -> str:
    if not option.startswith("-"):
        return f"{option!r}: a word too many; options begin with `--` (--help says more)."
    near = near_keys(option.lstrip("-"), [known.lstrip("-") for known in suggestions.options(parser)])
    owner = owner_of(option.lstrip("-").rpartition(".")[2])
    return f"{option}: no such option{did_you_mean(f'--{name}' for name in near)}{owner}"


def _unknown_key(name: str, known: Iterable[str], owner: type | None) -> str:
    of = f" of {owner.__qualname__}" if owner else ""
    near = near_keys(name, known)
    return f"no such option{of}{did_you_mean(near)}{'' if near else owner_of(name.rpartition('.')[2])}"


def _wrong_value(message: str) -> str | None:
    """Say what is wrong with a value of which all types that it may have were tried."""
    if _ABSTRACT.search(message):
        return (
            f"{_given(message) or 'the class'} is abstract: it lacks a method or property that its kind asks "
            "for (docs/reference/contracts.md names them)."
        )
    words = [match[1] or match[2] for match in _OTHER_CLASS.finditer(message)]
    expected = [f"a {word} (its name, or class_path and init_args)" for word in dict.fromkeys(words)]
    if literals := [value for match in _LITERALS.finditer(message) for value in match[1].split(", ")]:
        expected.append(", ".join(dict.fromkeys(value.strip("'\"") for value in literals)))
    cause = ""
    if functions := _NO_FUNCTION.findall(message):
        expected.append("the dotted path of a function (module.function)")
        cause = f" ({functions[0].strip()})"
    expected += [
        "null" if name == "NoneType" else name.rpartition(".")[2] for name in _EXPECTED.findall(message)
    ]
    if not expected:
        return None
    value = _given(message)
    got = f", got {value!r:.60}" if value else ""
    if value and (inside := _GOT_INSIDE.search(message)) and inside[1] != value:
        got = f", got {inside[1]!r:.60} in {value:.60}"
    return f"expected {' or '.join(dict.fromkeys(expected))}{got}{cause}."


def _given(message: str) -> str | None:
    match = _GIVEN.search(message) or _GOT.search(message)
    value = next((group for group in match.groups() if group is not None), "") if match else ""
    return value.strip().strip("'\"") or None


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)
