"""Promise: what cannot be split is refused with one line, before any rank waits for another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader
from torch_geometric.nn import SAGEConv

from fulmen.errors import ConfigError, DataError, UserError
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.models import SAGE
from fulmen_split_parallel.strategy import SplitParallelStrategy, require_graph_networks

SIZES = {"in_channels": 6, "num_classes": 3, "hidden_channels": 8, "layers": 2}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"presample_epochs": -1}, "presample_epochs is -1; expected 0 or more"),
        ({"group_size": 0}, "group_size is 0; expected 1 or more"),
        ({"cache_rows": -5}, "cache_rows is -5; expected 0 or more"),
        ({"transport": "mpi"}, "transport is 'mpi'; expected one of auto, shm, gloo, nccl"),
    ],
)
def test_options_out_of_range(option, said):
    with pytest.raises(ConfigError, match=said):
        SplitParallelStrategy(**option)


def test_groups_that_do_not_divide_the_ranks():
    strategy = SplitParallelStrategy(group_size=2)
    trainer = Trainer(accelerator="cpu", devices=3, strategy=strategy, logger=False, barebones=True)
    with pytest.raises(ConfigError, match="3 ranks are not divided by groups of 2"):
        trainer.strategy.setup_distributed()


class Holds(LightningModule):
    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: Holds(net=SAGEConv(2, 2)), "Holds has no GraphNetwork"),
        (
            lambda: Holds(net=SAGE(**SIZES), more=SAGEConv(2, 2)),
            r"more \(SAGEConv\) stands outside a GraphNetwork",
        ),
        (lambda: Holds(net=SAGE(**SIZES), norm=nn.BatchNorm1d(2)), "norm is a BatchNorm1d, whose statistics"),
        (
            lambda: Holds(net=SAGE(**SIZES), norm=nn.SyncBatchNorm(2)),
            "use fulmen_split_parallel.networks.BatchNorm",
        ),
    ],
)
def test_models_that_would_see_only_a_part(model, said):
    with pytest.raises(ConfigError, match=said):
        require_graph_networks(model())


def fit(folder, tmp_path, monkeypatch, data=None, **options):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        strategy=SplitParallelStrategy(**options),
        logger=False,
        max_steps=1,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(SAGE(**SIZES), data or GraphData(folder, [3, 2], 16))
    return trainer


def test_data_without_graphs(small_folder, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="the data give DataLoaders, which have no mini-batches of a graph"):
        fit(small_folder, tmp_path, monkeypatch, DataLoader([torch.zeros(6)]))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (np.zeros(7, np.int64), "maps 7 vertices, the graph has 120"),
        (np.full(120, 1), "vertex 0 is in part 1; with 1 parts they are 0 to 0"),
        (np.zeros(120), "expected one integer a vertex"),
        (None, "no such file"),
    ],
)
def test_maps_that_do_not_fit(small_folder, tmp_path, monkeypatch, written, said):
    path = tmp_path / "owner.npy"
    if written is not None:
        np.save(path, written)
    with pytest.raises(UserError, match=said):
        fit(small_folder, tmp_path, monkeypatch, partitioner=str(path))


def test_a_partitioner_that_there_is_not(small_folder, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="partitioner 'voronoi': expected restreaming, metis, hash, or a"):
        fit(small_folder, tmp_path, monkeypatch, partitioner="voronoi")
