"""What fulmen_vision offers: names alone, so that listing it costs nothing."""

import fulmen


@fulmen.hookimpl
def fulmen_components():
    return []
