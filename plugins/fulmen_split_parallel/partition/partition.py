"""Who owns which vertex, and for what that was made."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.partition.errors import PartitionError

MOST_PARTS = 65_535

Write = Callable[[Path, Callable[[IO[bytes]], object]], object]

_VERSION = 1


@dataclass(frozen=True, eq=False)
class Partition:
    """The owner of each vertex.

    Attributes:
        owner: uint8 or, above 255 parts, uint16 (V,); each below `parts`.
        parts: P, the number of ranks that it is for.
        graph: The fingerprint of the graph that it was made for.
        recipe: What it was made with, as plain data: method, fan-outs and so on.
        inputs: uint32 (V,): how often pre-sampling loaded each vertex, so that an owner can keep its hottest
            rows; None: nothing was pre-sampled.
    """

    owner: NDArray[Any]
    parts: int
    graph: str
    recipe: dict[str, Any] = field(default_factory=dict)
    inputs: NDArray[np.uint32] | None = None

    @cached_property
    def digest(self) -> str:
        """A name of the map, 32 hexadecimal digits: ranks that compare it know that theirs is the same."""
        content = hashlib.blake2b(f"{self.graph} {self.parts} ".encode(), digest_size=16)
        content.update(np.ascontiguousarray(self.owner, "<u2").tobytes())
        return content.hexdigest()

    def hottest(self, part: int, rows: int) -> NDArray[np.int64]:
        """Return at most `rows` vertices of a part, those loaded most often first; ties by id.

        Vertices that pre-sampling never loaded are left out; without pre-sampling there are none.
        """
        if self.inputs is None:
            return np.empty(0, np.int64)
        mine = np.flatnonzero((self.owner == part) & (self.inputs > 0))
        return mine[np.argsort(-self.inputs[mine].astype(np.int64), kind="stable")][:rows]

    def verify(self, graph: Graph, parts: int, where: str = "partition") -> None:
        """Refuse to be used for another graph or number of ranks.

        Args:
            graph: What is to be trained on.
            parts: How many ranks split it.
            where: What the message calls this partition: its file, say.

        Raises:
            PartitionError: it was made for something else.
        """
        if self.parts != parts:
            raise PartitionError(
                f"{where}: has {self.parts} parts, {parts} ranks are to share the graph; one part for each "
                f"is needed: partition again with {parts} parts, or run {self.parts} ranks"
            )
        if len(self.owner) != graph.num_vertices:
            raise PartitionError(
                f"{where}: maps {len(self.owner)} vertices, the graph has {graph.num_vertices}; it was made "
                "for another graph: partition this one"
            )
        if self.graph != graph.fingerprint():
            raise PartitionError(
                f"{where}: was made for graph {self.graph[:12]}, this one is {graph.fingerprint()[:12]}: "
                "partition this one"
            )


def checked_owner(owner: NDArray[Any], parts: int, where: str) -> NDArray[Any]:
    """Return a map as uint8 or uint16 if it is one.

    Args:
        owner: (V,), integers in 0 .. `parts` - 1, each part used.
        parts: P, 1 to 65,535.
        where: What the message calls it.

    Raises:
        PartitionError: it is no such map.
    """
    if owner.ndim != 1 or not np.issubdtype(owner.dtype, np.integer):
        raise PartitionError(
            f"{where}: holds {owner.dtype} of shape {owner.shape}; expected one integer a vertex, its part"
        )
    if outside := np.flatnonzero((owner < 0) | (owner >= parts)).tolist():
        raise PartitionError(
            f"{where}: vertex {outside[0]} is in part {owner[outside[0]]}; with {parts} parts they are 0 to "
            f"{parts - 1}: renumber them, or change the number of parts"
        )
    sizes = np.bincount(owner, minlength=parts)
    if not sizes.all():
        raise PartitionError(
            f"{where}: part {int(np.argmin(sizes))} of {parts} is empty; each rank needs a vertex at least: "
            "give it some, or use fewer parts"
        )
    return owner.astype(np.uint8 if parts <= 255 else np.uint16)


def save_partition(partition: Partition, path: str | Path, write: Write) -> None:
    """Write a partition as one .npz file.

    Args:
        partition: What to write.
        path: Where.
        write: Writes a file, given its path and what fills the open file: ``fulmen.write_artifact``.
    """
    about = {
        "version": _VERSION,
        "parts": partition.parts,
        "graph": partition.graph,
        "recipe": partition.recipe,
        "digest": partition.digest,
    }
    arrays = {"owner": partition.owner, "about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    if partition.inputs is not None:
        arrays["inputs"] = partition.inputs
    write(Path(path), lambda file: np.savez(file, allow_pickle=False, **arrays))


def load_partition(path: str | Path) -> Partition:
    """Read what `save_partition` wrote.

    Raises:
        PartitionError: there is no such file, or it is not a whole one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays["about"].tobytes())
        owner = checked_owner(arrays["owner"], int(about["parts"]), str(path))
        found = Partition(owner, int(about["parts"]), about["graph"], about["recipe"], arrays.get("inputs"))
        whole = found.digest == about["digest"] and about["version"] == _VERSION
    except FileNotFoundError:
        raise PartitionError(
            f"{path}: no such file; expected one of `fulmen split_parallel partition`"
        ) from None
    except PartitionError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise PartitionError(
            f"{path}: not a whole partition file ({type(error).__name__}: {_first_line(error)}): delete it "
            "and partition again"
        ) from None
    if not whole:
        raise PartitionError(f"{path}: its map is not the one that it names: delete it and partition again")
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no reason given")[:120]
