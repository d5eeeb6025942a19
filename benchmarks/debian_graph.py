"""Make the graph of Debian's packages that fulmen_split_parallel ships, from this machine's package index.

    apt-cache dumpavail | python benchmarks/debian_graph.py [OUT.npz]

The same index gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import fulmen
from fulmen_split_parallel.graph.debian import SHIPPED
from fulmen_split_parallel.graph.debian_index import pack_index


def main() -> None:
    """Read the index from standard input, write the packed graph."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    arrays = pack_index(sys.stdin.read())
    fulmen.write_artifact(target, lambda file: np.savez_compressed(file, **arrays))
    print(
        f"{target}: {len(arrays['labels'])} packages, {len(arrays['indices'])} edges, "
        f"{len(arrays['sections'])} sections, {len(arrays['words'])} words, {target.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
