"""The LightningModule that trains a graph network to classify vertices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from fulmen.errors import ConfigError
from fulmen_split_parallel.divided_graph import DividedGraph
from fulmen_split_parallel.networks import GraphBatch, GraphNetwork, NetworkError
from fulmen_split_parallel.networks.layerwise import OneProcess, Rows, WholeGraph, infer
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler


class VertexModel(LightningModule):
    """What all models of this plugin share: steps, metrics, inference.

    Logs ``train_loss`` in each step, the mean cross entropy over the mini-batch's seeds on all ranks; after
    each epoch ``val_loss`` and ``val_acc``; ``test_loss`` and ``test_acc`` likewise, over the vertices whose
    labels are known. ``predict`` gives class probabilities, float32 (seeds, num_classes).

    Batches are ``GraphBatch`` es, as ``split_parallel.graph`` gives them.

    Args:
        network: Gives as many scores as there are classes.
        num_classes: How many classes there are.
        lr: Learning rate of Adam.
        weight_decay: Of Adam.
        inference: How vertices are scored in ``validate``, ``test`` and ``predict``, and in the
            validation of ``fit``: ``sampled``, by the mini-batch's sampled edges; ``layerwise``, from all
            in-edges of every layer, each hidden row once.
        inference_folder: Where ``layerwise`` keeps a layer's rows while it runs; None: the system's folder
            for temporary files.

    Raises:
        ConfigError: an option is out of range (at once), or the data do not fit (before the run starts).
    """

    def __init__(
        self,
        network: GraphNetwork,
        num_classes: int,
        lr: float,
        weight_decay: float,
        inference: Literal["sampled", "layerwise"] = "sampled",
        inference_folder: str | None = None,
    ) -> None:
        super().__init__()
        if lr <= 0 or weight_decay < 0:
            raise ConfigError(
                f"model: lr is {lr}, weight_decay is {weight_decay}; "
                "expected a rate above 0, a decay of at least 0."
            )
        if inference not in ("sampled", "layerwise"):
            raise ConfigError(f"model: inference is {inference!r}; expected sampled or layerwise.")
        if inference_folder is not None and not Path(inference_folder).is_dir():
            raise ConfigError(
                f"model: inference_folder {inference_folder} is no folder; expected one to write to: make it."
            )
        self.network = network
        self.num_classes = num_classes
        self.lr = lr
        self.weight_decay = weight_decay
        self.inference = inference
        self.inference_folder = inference_folder
        self.val_acc = MulticlassAccuracy(num_classes, average="micro")
        self.test_acc = MulticlassAccuracy(num_classes, average="micro")
        # Lightning's own mean over ranks divides the count of vertices as a whole number: where they are no
        # multiple of the ranks, it is off. NaN has to be seen.
        self.val_loss, self.test_loss = (MeanMetric(nan_strategy="disable") for _ in range(2))
        self._divided: DividedGraph | None = None
        self._scored: NDArray[np.int64] = np.empty(0, np.int64)
        self._scores: Rows | None = None

    def setup(self, stage: str) -> None:
        """Refuse data that the network does not fit, before any work."""
        data = getattr(self.trainer, "datamodule", None)
        graph = getattr(data, "graph", None)
        if graph is None:
            return
        if graph.num_classes > self.num_classes:
            raise ConfigError(
                f"model: num_classes is {self.num_classes}; the graph has {graph.num_classes} classes: "
                f"set num_classes to {graph.num_classes}."
            )
        width = getattr(self.network, "in_channels", None)
        if width is not None and width != graph.num_features:
            raise ConfigError(
                f"model: in_channels is {width}; the graph has {graph.num_features} features: "
                f"set in_channels to {graph.num_features}."
            )
        layers, fanouts = len(self.network.convolutions), getattr(data, "fanouts", None)
        if layers and fanouts is not None and len(fanouts) != layers:
            raise ConfigError(
                f"model: the network has {layers} layers, data.fanouts {len(fanouts)} numbers; expected as "
                f"many: set layers to {len(fanouts)}, or give {layers} fan-outs."
            )

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the scores of the batch's seeds, (seeds, num_classes)."""
        with refused_as_config():
            scores: Tensor = self.network(batch)
        if scores.shape[1:] != (self.num_classes,):
            raise ConfigError(
                f"model: the network gives scores of shape {tuple(scores.shape)}; expected (seeds, "
                f"{self.num_classes}) for num_classes {self.num_classes}: give both the same number."
            )
        return scores

    def training_step(self, batch: GraphBatch, batch_idx: int) -> Tensor:
        """Return this rank's share of the mini-batch's mean loss."""
        assert batch.y is not None
        loss = batch.mean(functional.cross_entropy(self(batch), batch.y, reduction="none"))
        self.log("train_loss", loss.detach(), prog_bar=True, sync_dist=True, batch_size=len(batch.seeds))
        return loss

    def validation_step(self, batch: GraphBatch, batch_idx: int) -> None:
        """Add a batch to the epoch's validation metrics."""
        self._evaluate(batch, "val", self.val_loss, self.val_acc)

    def test_step(self, batch: GraphBatch, batch_idx: int) -> None:
        """Add a batch to the test metrics."""
        self._evaluate(batch, "test", self.test_loss, self.test_acc)

    def predict_step(self, batch: GraphBatch, batch_idx: int) -> Tensor:
        """Return class probabilities of the batch's seeds, in their order, float32 (seeds, num_classes)."""
        return self._score(batch).float().softmax(1)

    def _evaluate(
        self, batch: GraphBatch, stage: str, loss: MeanMetric, accuracy: MulticlassAccuracy
    ) -> None:
        assert batch.y is not None
        scores = self._score(batch)
        known = batch.y >= 0
        scores, labels = scores[known], batch.y[known]
        losses = functional.cross_entropy(scores, labels, reduction="none")
        losses = losses.to(torch.promote_types(losses.dtype, torch.float32))
        loss.set_dtype(losses.dtype)
        loss.update(losses)  # of no vertex, perhaps: a rank may have no seed of a mini-batch
        if len(labels):  # torchmetrics cannot take none
            accuracy.update(scores, labels)
        self.log(f"{stage}_loss", loss, on_epoch=True, batch_size=len(labels))
        self.log(f"{stage}_acc", accuracy, on_epoch=True, prog_bar=stage == "val", batch_size=len(labels))

    def configure_optimizers(self) -> Any:
        """Make the optimiser."""
        return torch.optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def on_validation_epoch_start(self) -> None:
        """Score all vertices, if that is asked for."""
        self._infer()

    def on_test_epoch_start(self) -> None:
        """Score all vertices, if that is asked for."""
        self._infer()

    def on_predict_epoch_start(self) -> None:
        """Score all vertices, if that is asked for."""
        self._infer()

    def on_validation_epoch_end(self) -> None:
        """Let go of the scores: the next epoch's weights are others."""
        self._scores = None

    on_test_epoch_end = on_predict_epoch_end = on_validation_epoch_end

    def _infer(self) -> None:
        if self.inference != "layerwise":
            return
        folder = None if self.inference_folder is None else Path(self.inference_folder)
        whole = self._whole_graph()
        with refused_as_config():
            if isinstance(whole, DividedGraph):
                self._scores = whole.infer(self.network, folder)
            else:
                self._scores = infer(self.network, whole, folder=folder)
        self._scored = whole.vertices

    def _whole_graph(self) -> WholeGraph | DividedGraph:
        shared = getattr(self.trainer.strategy, "whole_graph", None)
        if shared is not None:
            whole: WholeGraph = shared()
            return whole
        graph = getattr(getattr(self.trainer, "datamodule", None), "graph", None)
        if graph is None:
            raise ConfigError(
                "model: inference is layerwise; expected data with their graph: "
                "use split_parallel.graph, or set inference to sampled."
            )
        if not distributed.is_initialized() or distributed.get_world_size() == 1:
            return OneProcess(graph, NeighbourSampler(graph))
        if self._divided is None or self._divided.graph is not graph:
            self._let_go()
            self._divided = DividedGraph(graph, NeighbourSampler(graph))
        return self._divided

    def teardown(self, stage: str) -> None:
        """Close the ways between ranks that inference has opened."""
        self._let_go()

    def _let_go(self) -> None:
        if self._divided is not None:
            self._divided.close()
        self._divided = None

    def _score(self, batch: GraphBatch) -> Tensor:
        if self._scores is None:
            scores: Tensor = self(batch)
            return scores
        own = batch.layers[-1].destinations if batch.layers else batch.inputs
        rows = self._scored.searchsorted(own.cpu().numpy())
        return batch.home(self._scores[rows].to(self.device))


@contextmanager
def refused_as_config() -> Iterator[None]:
    """Turn what a network is refused with into what a user is told."""
    try:
        yield
    except NetworkError as error:
        raise ConfigError(f"model: {error}") from error
