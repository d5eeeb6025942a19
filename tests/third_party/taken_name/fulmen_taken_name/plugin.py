"""Claims a name that another distribution has: vision."""

import fulmen


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind="callback",
            name="taken_name_part",
            target="fulmen_taken_name.parts:Part",
            summary="A callback that cannot be had.",
        )
    ]
