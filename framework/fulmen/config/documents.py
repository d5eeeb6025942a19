"""Looks at a YAML file before it is parsed, so that what is wrong with it is told by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fulmen.errors import ConfigError

MAX_BYTES = 4 * 2**20
MAX_NODES = 100_000  # after aliases are expanded; the largest real config has some hundreds


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML without dates, as jsonargparse reads it."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def is_file_name(value: str) -> bool:
    """Whether the value of ``--config`` names a file that can be looked at before it is parsed.

    LightningCLI also takes YAML text there, and a pipe, ``--config <(command)``, which is read once.
    """
    return "\n" not in value and "{" not in value and ": " not in value and not Path(value).is_fifo()


def read_document(path: str | Path) -> dict[str, Any]:
    """Return the mapping that a YAML (or JSON) file holds.

    Raises:
        ConfigError: the file is missing, a folder, unreadable, empty, no mapping, too large, does
            not parse, has a key twice, or expands aliases without bound. Names file and line.
    """
    if "://" in str(path):
        raise ConfigError(f"{path}: a config is read from a local file, not from a URL; download it first.")
    path = Path(path)
    text = _read(path)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(_explain(path, text, error)) from None
    if node is None:
        raise ConfigError(f"{path}: the file is empty; a mapping of keys to values is expected.")
    if not isinstance(node, yaml.MappingNode):
        found = "a list" if isinstance(node, yaml.SequenceNode) else f"the single value {node.value!r:.40}"
        raise ConfigError(f"{path}: holds {found}; a mapping of keys to values is expected.")
    _check_nodes(path, node)
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:  # a tag, or a list as a key
        raise ConfigError(_explain(path, text, error)) from None
    for key in document:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: the key {key!r} is no text; put it in quotes, or drop it.")
    return dict(document)


def _read(path: Path) -> str:
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name the YAML file in it.")
    if path.is_char_device() or path.is_block_device():
        raise ConfigError(f"{path}: is a device; name a YAML file.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: is larger than {MAX_BYTES // 2**20} MiB; a config is expected.")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{_siblings(path)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is not UTF-8 text (byte {error.start}); a YAML file is expected."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None


def _siblings(path: Path) -> str:
    from fulmen.names import near_matches

    folder = path.parent
    names = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
    near = near_matches(path.name, names)
    return f"; did you mean {' or '.join(str(folder / name) for name in near)}?" if near else "."


def _explain(path: Path, text: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"{path}: is not YAML: {str(error).splitlines()[0]}"
    if isinstance(error, yaml.constructor.ConstructorError):
        return f"{path}, line {mark.line + 1}: {error.problem}; plain keys and values are expected."
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    where = f"{path}, line {mark.line + 1}"
    if "\t" in line:
        return f"{where}: has a tab; YAML is indented by spaces."
    problem = getattr(error, "problem", None) or "cannot be parsed"
    return f"{where}: is not YAML ({problem}): {line.strip()[:60]!r}"


def _check_nodes(path: Path, root: yaml.Node) -> None:
    """Refuse repeated keys, cycles, and aliases that expand without bound (in linear time)."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise ConfigError(f"{path}, line {_line(node)}: an alias refers to itself.")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = 1 + sum(size(child) for child in _children(path, node))
            open_nodes.remove(id(node))
        return sizes[id(node)]

    try:
        total = size(root)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None
    if total > MAX_NODES:
        raise ConfigError(f"{path}: its aliases expand to {total:.3g} values; at most {MAX_NODES} are taken.")


def _children(path: Path, node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in seen:
                raise ConfigError(
                    f"{path}, line {_line(key)}: the key {key.value!r} stands already in line "
                    f"{seen[key.value]}; keep one of them."
                )
            seen[key.value] = _line(key)
    return [part for pair in node.value for part in pair]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
