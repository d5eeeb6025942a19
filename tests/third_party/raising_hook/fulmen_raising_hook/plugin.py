"""Raises where it is asked what it offers."""

import fulmen


@fulmen.hookimpl
def fulmen_components():
    raise RuntimeError("the stars are wrong")
