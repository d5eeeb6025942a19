"""Imports what nobody has."""

import module_that_nobody_has  # noqa: F401

import fulmen


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind="callback",
            name="import_error_part",
            target="fulmen_import_error.parts:Part",
            summary="A callback that cannot be had.",
        )
    ]
