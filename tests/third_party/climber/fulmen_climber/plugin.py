"""Offers one searcher."""

import fulmen


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind="searcher",
            name="climber",
            target="fulmen_climber.searcher:Climber",
            summary="Tries neighbours of the best so far.",
        )
    ]
