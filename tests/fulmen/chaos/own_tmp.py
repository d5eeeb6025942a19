"""A host that is made of this one gets a /tmp of its own."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def own_tmp() -> str:
    """Return the commands that give a host an empty /tmp, in which code that lies there is still seen.

    For a shell in a mount namespace of its own, with a tmpfs on /run/netns.
    """
    needed = [folder for folder in (REPOSITORY, Path(sys.prefix)) if folder.is_relative_to("/tmp")]
    kept = {folder: f"/run/netns/kept-{number}" for number, folder in enumerate(needed)}
    return "; ".join(
        [
            *(f"mkdir -p {aside}; mount --bind {folder} {aside}" for folder, aside in kept.items()),
            "mount -t tmpfs none /tmp",
            *(f"mkdir -p {folder}; mount --move {aside} {folder}" for folder, aside in kept.items()),
        ]
    )
