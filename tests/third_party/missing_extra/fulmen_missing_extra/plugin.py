"""Offers a callback that needs an extra which is not installed."""

import fulmen


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind="callback",
            name="missing_extra_part",
            target="fulmen_missing_extra.parts:Part",
            summary="A callback that cannot be had.",
            extra="moon",
        )
    ]
