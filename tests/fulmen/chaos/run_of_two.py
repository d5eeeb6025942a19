"""A run of two processes in which one rank comes to grief.

    python run_of_two.py STRATEGY RANK HOW FOLDER [nosupervision]

In the fourth step the given rank does HOW. In FOLDER each rank leaves its process number, the
addresses that the run listens on, and whether it came to the end.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from fulmen.frozen_imports import frozen_imports

with frozen_imports():
    import psutil
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torch.utils.data import DataLoader, TensorDataset

    from fulmen.errors import DataError
    from fulmen.ranks import supervise


def main() -> None:
    strategy, rank, how, folder = sys.argv[1:5]
    if how == "leave-early" and os.environ.get("LOCAL_RANK") == rank:
        sys.exit(3)
    trainer = Trainer(
        accelerator="cpu",
        devices=2,
        strategy=strategy,
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    if "nosupervision" not in sys.argv:
        supervise(trainer)
    data = DataLoader(TensorDataset(torch.zeros(16, 4)), batch_size=1)
    trainer.fit(Model(int(rank), how, Path(folder)), data)
    (Path(folder) / f"done-{trainer.local_rank}").touch()


class Model(LightningModule):
    def __init__(self, rank: int, how: str, folder: Path) -> None:
        super().__init__()
        self.rank, self.how, self.folder = rank, how, folder
        self.layer = torch.nn.Linear(4, 1)

    def on_fit_start(self) -> None:
        (self.folder / f"pid-{self.global_rank}").write_text(str(os.getpid()))
        (self.folder / f"listeners-{self.global_rank}").write_text("\n".join(listeners()))

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        if self.global_step == 3 and self.global_rank == self.rank:
            (self.folder / "grief").touch()
            GRIEF[self.how](self)
        return self.layer(batch[0]).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def raise_error(model: Model) -> None:
    raise ValueError("the seventh seal")


def refuse(model: Model) -> None:
    raise DataError("data/labels.npy: 12 labels for 10 images; give one label per image.")


def fill_memory(model: Model) -> None:
    in_use = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 26), resource.RLIM_INFINITY))
    torch.zeros(1 << 30)


def listeners() -> list[str]:
    """Return the addresses on which this process, and the one of the run that started it, listen."""
    process = psutil.Process()
    processes = [process, *(parent for parent in process.parents() if __file__ in parent.cmdline())]
    found = [connection for one in processes for connection in one.net_connections("inet")]
    return [connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN]


GRIEF = {
    "raise": raise_error,
    "refuse": refuse,
    "kill": lambda model: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda model: os.kill(os.getpid(), signal.SIGSTOP),
    "memory": fill_memory,
    "exit": lambda model: os._exit(7),
    "abort": lambda model: os.abort(),
    "interrupt": lambda model: signal.raise_signal(signal.SIGINT),
    "ctrl-c": lambda model: os.killpg(0, signal.SIGINT),
    "terminate": lambda model: os.kill(os.getpid(), signal.SIGTERM),
    "none": lambda model: None,
    "leave-early": lambda model: None,
}

if __name__ == "__main__":
    main()
