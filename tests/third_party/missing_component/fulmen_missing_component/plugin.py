"""Names a class that is not there."""

import fulmen


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind="callback",
            name="missing_component_part",
            target="fulmen_missing_component.parts:Nowhere",
            summary="A callback that cannot be had.",
        )
    ]
