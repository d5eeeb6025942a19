"""Overlays: dotted keys and plain values laid over a config."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from fulmen.errors import ConfigError
from fulmen.names import near_matches


def laid_over(config: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with an overlay's values in place; the config itself is left as it is.

    Args:
        config: A resolved config, as ``--print_config`` shows it.
        overlay: Dotted key to plain value; a number names a place in a list; lists and mappings are
            replaced whole. A new ``class_path`` drops the ``init_args`` of the old class, but for
            those that the overlay sets too.

    Raises:
        ConfigError: a key does not exist; names near ones.
    """
    result: dict[str, Any] = copy.deepcopy(dict(config))
    # Shorter keys first, so that a part of what another key replaces can be set too.
    for key, value in sorted(overlay.items(), key=lambda pair: pair[0].count(".")):
        _set(result, key.split("."), copy.deepcopy(value), key)
    cleaned: dict[str, Any] = _clean(result)
    return cleaned


def _set(config: Any, path: list[str], value: Any, key: str) -> None:
    holder, owner = config, config
    for depth, word in enumerate(path[:-1]):
        owner, holder = holder, _inside(holder, word, path[:depth], key)
    last = path[-1]
    if isinstance(holder, list):
        _inside(holder, last, path[:-1], key)
        holder[int(last)] = value
        return
    free = path[-2:-1] in (["dict_kwargs"], ["init_args"]) and owner.get("_new_class", False)
    if not isinstance(holder, dict) or (last not in holder and not free and path[-2:-1] != ["dict_kwargs"]):
        raise _no_key(key, path[:-1], holder)
    if last == "class_path" and holder[last] != value:
        holder.clear()
        holder.update(class_path=value, init_args={}, _new_class=True)
    else:
        holder[last] = value


def _inside(holder: Any, word: str, before: list[str], key: str) -> Any:
    if isinstance(holder, list) and word.isdigit() and int(word) < len(holder):
        return holder[int(word)]
    if isinstance(holder, dict) and word in holder:
        return holder[word]
    raise _no_key(key, before, holder)


def _no_key(key: str, before: list[str], holder: Any) -> ConfigError:
    prefix = "".join(f"{word}." for word in before)
    if isinstance(holder, dict):
        word = key[len(prefix) :].partition(".")[0]
        near = near_matches(word, holder)
        known = f"did you mean {' or '.join(repr(prefix + name) for name in near)}?" if near else ""
        known = known or f"there are {', '.join(map(str, holder))}."
    elif isinstance(holder, list):
        known = f"{prefix.rstrip('.')} is a list of {len(holder)}."
    else:
        known = f"{prefix.rstrip('.')} is {holder!r:.40}."
    return ConfigError(f"overlay: {key}: no such key in the config; {known}")


def _clean(config: Any) -> Any:
    """Take out what was noted of classes that changed."""
    if isinstance(config, dict):
        return {key: _clean(value) for key, value in config.items() if key != "_new_class"}
    return [_clean(value) for value in config] if isinstance(config, list) else config
