"""The errors of fulmen and the exit status that each one becomes.

FulmenError            1  the work failed
├── ArtifactError      1  a file could not be written whole (a disk that fills)
├── RankError          1  a process of a multi-process run failed
└── UserError          2  the user's input was refused at the door
    ├── ConfigError    2  a YAML file or an option
    ├── PluginError    2  a plugin or a component that cannot be used
    ├── CheckpointError 2 a checkpoint that cannot be loaded
    └── DataError      2  a data folder or file
"""

from __future__ import annotations

import errno

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # of an OSError: there is no room


class FulmenError(Exception):
    """The work failed, for the reason that the message gives in one line."""

    exit_status = 1


class ArtifactError(FulmenError):
    """A file could not be written whole; what stood there before is untouched."""


class RankError(FulmenError):
    """A process of a multi-process run raised, died or was stopped."""


class UserError(FulmenError):
    """The user's input is refused: one line that says what, found, expected and remedy.

    At most two more lines, for near matches.
    """

    exit_status = 2


class ConfigError(UserError):
    """A YAML file, an option or an environment variable is not what it should be."""


class PluginError(UserError):
    """A plugin or component is unknown, broken, disabled, ambiguous or lacks an extra."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, of another model, or needs pickle."""


class DataError(UserError):
    """A data folder or file is missing or is not what its name says."""
