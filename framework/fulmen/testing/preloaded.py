"""What the process that tests fork theirs from imports."""

from fulmen.frozen_imports import frozen_imports

with frozen_imports():
    import lightning.pytorch.cli  # noqa: F401

    import fulmen.runner  # noqa: F401
    from fulmen.testing import plain, training  # noqa: F401
