"""Checkpoints that survive and that never run code.

loading.py    load_checkpoint: the one way in; trust_checkpoint: the knowing exception
plain.py      what a checkpoint may hold, checked before it is saved
encoded.py    decoded: weights that a plugin has encoded
matching.py   a checkpoint of another model: which keys differ
saving.py     WholeFileCheckpointIO: what Lightning's Trainer saves and loads with
connector.py  CheckpointConnector: where a Trainer resumes
latest.py     find_latest: what `ckpt_path: last` means
"""

from typing import TYPE_CHECKING

from fulmen.lazy import table_of_contents

if TYPE_CHECKING:
    from fulmen.checkpoints.connector import CheckpointConnector as CheckpointConnector
    from fulmen.checkpoints.latest import find_latest as find_latest
    from fulmen.checkpoints.latest import no_last_checkpoint as no_last_checkpoint
    from fulmen.checkpoints.loading import load_checkpoint as load_checkpoint
    from fulmen.checkpoints.loading import trust_checkpoint as trust_checkpoint
    from fulmen.checkpoints.matching import check_state_dict as check_state_dict
    from fulmen.checkpoints.plain import require_plain as require_plain
    from fulmen.checkpoints.saving import WholeFileCheckpointIO as WholeFileCheckpointIO
    from fulmen.checkpoints.saving import install_checkpoint_io as install_checkpoint_io

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "CheckpointConnector": "fulmen.checkpoints.connector",
        "WholeFileCheckpointIO": "fulmen.checkpoints.saving",
        "check_state_dict": "fulmen.checkpoints.matching",
        "find_latest": "fulmen.checkpoints.latest",
        "install_checkpoint_io": "fulmen.checkpoints.saving",
        "load_checkpoint": "fulmen.checkpoints.loading",
        "no_last_checkpoint": "fulmen.checkpoints.latest",
        "require_plain": "fulmen.checkpoints.plain",
        "trust_checkpoint": "fulmen.checkpoints.loading",
    },
)
