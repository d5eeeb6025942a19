"""Whether the networks of a structure are those that the config's own network is built for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fulmen_evolution.domains import SpaceError
from fulmen_evolution.space import Space
from fulmen_evolution.structure import Structure


def check_structures(space: Space, config: Mapping[str, Any]) -> None:
    """Refuse a structure for other images than those of the network that its layers are laid into.

    Left alone are networks without the options of a `Genome`, and options that the space sets too.

    Raises:
        SpaceError: names both options.
    """
    for key, domain in zip(space.keys, space.domains, strict=True):
        if not isinstance(domain, Structure):
            continue
        owner = key.rpartition(".")[0]
        options = {k: v for k, v in _at(config, owner).items() if f"{owner}.{k}" not in space.keys}
        channels, size = options.get("in_channels"), options.get("image_size")
        found = f"{key}.init_args.input_shape is {domain.shape}; the network has"
        if isinstance(channels, int) and channels != domain.shape[0]:
            raise SpaceError(
                f"{found} in_channels {channels} ({owner}.in_channels); expected as many channels in both: "
                "correct one of the two"
            )
        if isinstance(size, list | tuple) and any(
            own < given for own, given in zip(size, domain.shape[1:], strict=False)
        ):
            raise SpaceError(
                f"{found} image_size {list(size)} ({owner}.image_size), against which it checks its layers; "
                "expected nothing smaller than input_shape's: correct one of the two"
            )


def _at(config: Any, key: str) -> Mapping[str, Any]:
    """Return the mapping under a dotted key; empty where there is none, which the core will say."""
    for word in key.split("."):
        config = config.get(word) if isinstance(config, Mapping) else None
    return config if isinstance(config, Mapping) else {}
