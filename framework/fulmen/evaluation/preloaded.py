"""What the workers' fork server imports: all that a candidate needs, so that a worker begins at once."""

from fulmen.frozen_imports import frozen_imports

with frozen_imports():
    import fulmen.evaluation.candidates  # noqa: F401
