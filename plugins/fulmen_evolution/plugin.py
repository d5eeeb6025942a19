"""What fulmen_evolution offers: names alone, so that listing it costs nothing."""

from __future__ import annotations

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the searchers."""
    return [
        fulmen.Component(
            kind="searcher",
            name="evolution",
            target="fulmen_evolution.searcher:Evolution",
            summary="Evolves candidates asynchronously for several objectives, guided by a surrogate.",
        ),
        fulmen.Component(
            kind="searcher",
            name="random",
            target="fulmen_evolution.searcher:Random",
            summary="Draws each candidate anew from the whole space.",
        ),
    ]
