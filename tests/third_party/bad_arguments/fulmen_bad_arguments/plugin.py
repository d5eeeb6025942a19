"""Asks a hook for an argument that it does not have."""

import fulmen


@fulmen.hookimpl
def fulmen_components(trainer):
    return [
        fulmen.Component(
            kind="callback",
            name="bad_arguments_part",
            target="fulmen_bad_arguments.parts:Part",
            summary="A callback that cannot be had.",
        )
    ]
