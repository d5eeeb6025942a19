"""Was written for a contract of the future."""

import fulmen

FULMEN_API = 2


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind="callback",
            name="wrong_version_part",
            target="fulmen_wrong_version.parts:Part",
            summary="A callback that cannot be had.",
        )
    ]
