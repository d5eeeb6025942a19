"""Graphs that had to be made, kept as folders, so that the processes of a host map one copy."""

from __future__ import annotations

import os
from pathlib import Path

from fulmen_split_parallel.graph.folder import Write, load_graph, save_graph
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.topology import merge_duplicate_edges

_WHOLE = "whole"  # written last: a folder without it was broken off


def default_cache() -> Path:
    """Where caches of a user belong (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fulmen" / "split_parallel"


def made_once(source: GraphSource, cache: Path, merged: bool, write: Write) -> Path:
    """The folder of a source's graph, made if it is not there.

    Several processes may call this at once: each file is written whole, and all of them write the same.

    Args:
        source: Makes the graph.
        cache: The folder of all such folders.
        merged: Whether several edges between the same two vertices become one.
        write: Writes one file; see ``save_graph``.
    """
    folder = cache / "graphs" / (source.key() + ("-merged" if merged else ""))
    if not (folder / _WHOLE).exists():
        graph = source.make()
        save_graph(merge_duplicate_edges(graph) if merged else graph, folder, write)
        write(folder / _WHOLE, lambda file: file.write(repr(source).encode()[:4096]))
    return folder


def open_folder(path: Path, cache: Path, merged: bool, check_features: bool, write: Write) -> Graph:
    """Map a graph folder, or a copy of it in which several edges between the same two vertices are one."""
    graph = load_graph(path, check_features)
    if not merged:
        return graph
    return load_graph(made_once(_Loaded(graph, str(path)), cache, merged, write), check_features)


class _Loaded(GraphSource):
    """A graph that is there already."""

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph, self._name = graph, name

    def __repr__(self) -> str:
        return self._name

    def make(self) -> Graph:
        return self._graph

    def identity(self) -> str:
        times = [(path.name, path.stat().st_mtime_ns) for path in sorted(Path(self._name).glob("*.npy"))]
        return repr((self._graph.fingerprint(), str(Path(self._name).resolve()), times))
