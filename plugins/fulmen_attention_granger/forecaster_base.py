"""What the two models share: they are built when the number of variables is known, and log alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from fulmen.errors import ConfigError
from fulmen_attention_granger import graph_charts
from fulmen_attention_granger.recordings import default_names


class ForecasterBase(LightningModule):
    """A model of windows (``forecast_windows.Window``) that forecasts the row after them.

    Logs ``train_loss``, ``val_loss``, ``test_loss``; after each validation the attention map as an image
    and, where the data knows the truth, ``val_auroc`` of raw attention off the diagonal.
    """

    context: int
    network: Any

    @abstractmethod
    def make_network(self, variables: int) -> nn.Module:
        """Return the network for so many variables."""

    @abstractmethod
    def variables_in(self, state: dict[str, Tensor]) -> int:
        """Return how many variables a state dict is of."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return ``loss`` and whatever else is logged beside it."""

    @abstractmethod
    def attention_map(self) -> np.ndarray | None:
        """Return the attention (targets, sources) as it stands, or None."""

    @abstractmethod
    def pair_scores(self, trials: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return read-outs by name, (targets, sources), of z-scored trials."""

    def build(self, variables: int | None) -> None:
        """Make the network, if the number of variables is known by now."""
        self.network = None if variables is None else self.make_network(variables)

    def setup(self, stage: str) -> None:
        """Make the network for the data at hand."""
        recordings = getattr(getattr(self.trainer, "datamodule", None), "recordings", None)
        if recordings is None:
            if self.network is None:
                raise ConfigError(
                    f"{type(self).__name__}: variables is null and the data does not say how many it has; "
                    "set model.init_args.variables."
                )
            return
        found = recordings().variables
        if self.network is None:
            self.build(found)
        else:
            self.require_variables(found)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the network for the checkpoint's number of variables, before its weights are loaded."""
        if self.network is not None:
            return
        try:
            variables = self.variables_in(checkpoint["state_dict"])
        except KeyError as error:
            raise ConfigError(
                f"{type(self).__name__}: the checkpoint is of another model (it has no {error.args[0]}); "
                "give the model that it was trained as."
            ) from error
        self.build(variables)

    def require_variables(self, found: int) -> None:
        """Refuse data of another number of variables than the network's.

        Raises:
            ConfigError: names both numbers; there is no network yet.
        """
        if self.network is None:
            raise ConfigError(
                f"{type(self).__name__}: the model has no weights to read; give --ckpt_path FILE of one that "
                "`fit` has trained, or leave --model out."
            )
        known = self.variables_in({f"network.{k}": v for k, v in self.network.state_dict().items()})
        if known != found:
            raise ConfigError(
                f"{type(self).__name__}: the model is of {known} variables, the data has {found}; set "
                f"model.init_args.variables: {found}, or leave it out, and train on this data."
            )

    def require_context(self, batch: Any) -> None:
        """Refuse windows that are shorter than the model's context.

        Raises:
            ConfigError: names both lengths.
        """
        if batch.context.shape[1] < self.context:
            raise ConfigError(
                f"{type(self).__name__}: windows of {batch.context.shape[1]} rows, {self.context} are "
                f"needed; set data.init_args.context: {self.context}."
            )

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        losses = self.losses(batch)
        self.log("train_loss", losses["loss"], batch_size=len(batch.context))
        return losses["loss"]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the validation loss."""
        self._log_all("val", batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the test loss."""
        self._log_all("test", batch)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return forecasts (batch, variables)."""
        forecast: Tensor = self(batch.context)
        return forecast

    def on_validation_epoch_end(self) -> None:
        """Show the attention as training goes on."""
        matrix = self.attention_map()
        if matrix is None or self.trainer.sanity_checking or not self.trainer.is_global_zero:
            return
        recordings = getattr(getattr(self.trainer, "datamodule", None), "recordings", None)
        seen = None if recordings is None else recordings()
        graph = None if seen is None else seen.graph
        if graph is not None:
            from fulmen_attention_granger.scoring import auroc

            value = auroc(matrix, graph)
            if value == value:  # a truth without edges has none
                self.log("val_auroc", value, rank_zero_only=True)
        names = default_names(len(matrix)) if seen is None else seen.names
        for logger in self.loggers:
            add = getattr(getattr(logger, "experiment", None), "add_figure", None)
            if add is not None:
                add(
                    "fulmen/attention_granger/attention",
                    graph_charts.matrices({"attention": matrix}, names, graph),
                    self.global_step,
                )

    def _log_all(self, stage: str, batch: Any) -> None:
        for name, value in self.losses(batch).items():
            self.log(f"{stage}_{name}", value, batch_size=len(batch.context), sync_dist=True)
