"""The one way in which fulmen writes files: whole or not at all.

A file is written under a temporary name in the folder of its target, synced, and renamed over
the target; then the folder is synced. At every instant the target is the old file or the new one,
also under ``kill -9``, a full disk or a power cut. A folder of several files is committed as one.

files.py        write_artifact: one file; make_folder, require_writable
folders.py      artifact_folder: several files as one
temporaries.py  the names of what is half-written, and its sweeping
disk.py         syncing, and what a disk's errors mean to a person
"""

from fulmen.artifacts.disk import sync_folder
from fulmen.artifacts.files import make_folder, require_writable, write_artifact
from fulmen.artifacts.folders import artifact_folder
from fulmen.artifacts.temporaries import sweep_temporaries

__all__ = [
    "artifact_folder",
    "make_folder",
    "require_writable",
    "sweep_temporaries",
    "sync_folder",
    "write_artifact",
]
