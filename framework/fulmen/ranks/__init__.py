"""Runs of several processes: one that fails ends the run, soon and with its own error.

launchers.py  supervise: what a Trainer's launcher becomes
ending.py     await_ranks: those that fail when the first one is done
watching.py   Watch: the thread in every rank that notices, tells and ends
verdicts.py   Verdict: which rank failed, and how, in a line
folder.py     RankFolder: where the ranks of a host leave word for each other
signals.py    SIGTERM, which must not wait for another rank
processes.py  whether a process lives, is stopped, and how it is ended
loopback.py   a run on one host listens on the loopback alone
"""

from typing import TYPE_CHECKING

from fulmen.lazy import table_of_contents

if TYPE_CHECKING:
    from fulmen.ranks.ending import await_ranks as await_ranks
    from fulmen.ranks.launchers import supervise as supervise
    from fulmen.ranks.verdicts import Verdict as Verdict
    from fulmen.ranks.verdicts import is_told as is_told

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "Verdict": "fulmen.ranks.verdicts",
        "await_ranks": "fulmen.ranks.ending",
        "is_told": "fulmen.ranks.verdicts",
        "supervise": "fulmen.ranks.launchers",
    },
)
