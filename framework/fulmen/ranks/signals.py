"""SIGTERM in a run of several processes: noted, handed on, and obeyed at the end of the batch."""

from __future__ import annotations

import signal
from types import FrameType

from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector


class SignalConnector(_SignalConnector):
    """Lightning's connector, whose SIGTERM handler waits for no other rank.

    Lightning 2.6.6 broadcasts from within the handler, while the other ranks are in a collective of
    their own: the run hangs until the process group times out. The training loop tells the ranks
    before each batch anyway.
    """

    def _sigterm_notifier_fn(self, signum: int | signal.Signals, _: FrameType | None) -> None:
        launcher = self.trainer.strategy.launcher
        if not self.received_sigterm and launcher is not None:
            launcher.kill(signum)
        self.received_sigterm = True
