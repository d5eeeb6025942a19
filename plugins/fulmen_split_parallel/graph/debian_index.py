"""How the shipped graph of Debian's packages was made from a package index.

The index is what `apt-cache dumpavail` prints: one paragraph a package, ``Field: value`` lines, longer values
continued on lines that begin with a space (Debian Policy, section 5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.splits import random_splits
from fulmen_split_parallel.graph.topology import in_edges_by_vertex

BUCKETS = 256  # of the hashed words: a byte each
TRAIN_SHARE = 0.2
_RELATIONS = ("Depends", "Pre-Depends", "Recommends", "Suggests")
_WORD = re.compile(r"[a-z0-9+]{2,}")


def pack_index(text: str) -> dict[str, NDArray[Any]]:
    """The compact form of the graph of an index, whose vertices are the packages by name.

    An edge leads to the package that has a relation from each that the relation names, once:
    alternatives, recommendations and suggestions included, and for a virtual package those that provide
    it. A description becomes the buckets of its words; no text is kept.

    Args:
        text: The index.

    Returns:
        ``indptr`` int32 (V + 1,) and ``indices`` int32 (E,): the packages that each one needs.
        ``labels`` uint8 (V,): the section, an index of ``sections``, str.
        ``word_counts`` uint8 (V,) and ``words`` uint8: the bucket of each word, package by package.
        ``part`` uint8 (V,): 1 to train on, 2 to validate, 3 to test, 0 for the rest.

    Raises:
        GraphError: there are no packages in it, or more than 256 sections.
    """
    packages = {fields["Package"]: fields for fields in _paragraphs(text) if "Package" in fields}
    if not packages:
        raise GraphError("package index: no packages; expected what `apt-cache dumpavail` prints")
    number = {name: place for place, name in enumerate(sorted(packages))}
    ordered = [packages[name] for name in number]

    providers = _providers(ordered)
    edges = sorted(
        {
            (number[provider], number[of])
            for of in number
            for relation in _RELATIONS
            for name in _names(packages[of].get(relation, ""))
            for provider in providers.get(name, ())
            if provider != of
        }
    )
    sources, ends = np.array(edges, np.int64).reshape(-1, 2).T
    indptr, indices, _ = in_edges_by_vertex(sources, ends, len(number))

    section = [fields.get("Section", "unknown").split("/")[-1] for fields in ordered]
    sections = sorted(set(section))
    if len(sections) > 256:
        raise GraphError(f"package index: {len(sections)} sections; expected 256 at most")
    words = [_buckets(fields.get("Description", "")) for fields in ordered]

    part = np.zeros(len(number), np.uint8)
    splits = random_splits(len(number), TRAIN_SHARE, np.random.default_rng(0))
    for name, vertices in enumerate(splits, start=1):
        part[vertices] = name
    return {
        "indptr": indptr.astype(np.int32),
        "indices": indices,
        "labels": np.array([sections.index(name) for name in section], np.uint8),
        "sections": np.array(sections),
        "word_counts": np.array([len(buckets) for buckets in words], np.uint8),
        "words": np.array([bucket for buckets in words for bucket in buckets], np.uint8),
        "part": part,
    }


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    for paragraph in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + "\n" + line
            else:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        yield fields


def _providers(packages: list[dict[str, str]]) -> dict[str, list[str]]:
    """Which packages stand for a name: the one that has it, and those that provide it."""
    providers: dict[str, list[str]] = {}
    for fields in packages:
        for name in {fields["Package"], *_names(fields.get("Provides", ""))}:
            providers.setdefault(name, []).append(fields["Package"])
    return providers


def _names(relation: str) -> Iterator[str]:
    """The names in a relation, alternatives too, without versions and architectures."""
    for alternative in re.split(r"[,|]", relation):
        if name := re.split(r"[\s(:\[]", alternative.strip(), maxsplit=1)[0]:
            yield name


def _buckets(description: str) -> list[int]:
    words = _WORD.findall(description.splitlines()[0].lower() if description else "")
    # blake2b, because Python's own hash of a string differs from process to process.
    return [blake2b(word.encode(), digest_size=1).digest()[0] for word in words[:255]]
