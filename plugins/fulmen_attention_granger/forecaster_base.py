"""What the two models share: they are built when the number of variables is known, and log alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from fulmen.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        elif (
            known := self.variables_in({f"network.{k}": v for k, v in self.network.state_dict().items()})
        ) != found:
            raise ConfigError(
                f"{type(self).__name__}: the model is of {known} variables, the data has {found}; set "
                f"model.init_args.variables: {found}, or leave it out."
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the network for the checkpoint's number of variables, before its weights are loaded."""
        if self.network is None:
            self.build(self.variables_in(checkpoint["state_dict"]))

    def require_context(self, batch: Any) -> None:
        """Refuse windows of another length.

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
        graph = None if recordings is None else recordings().graph
        if graph is not None:
            from fulmen_attention_granger.scoring import auroc

            value = auroc(matrix, graph)
            if value == value:  # a truth without edges has none
                self.log("val_auroc", value, rank_zero_only=True)
        for logger in self.loggers:
            add = getattr(getattr(logger, "experiment", None), "add_figure", None)
            if add is not None:
                add("fulmen/attention_granger/attention", _picture(matrix), self.global_step)

    def _log_all(self, stage: str, batch: Any) -> None:
        for name, value in self.losses(batch).items():
            self.log(f"{stage}_{name}", value, batch_size=len(batch.context), sync_dist=True)


def _picture(matrix: np.ndarray) -> Figure:
    from fulmen import new_figure

    figure: Figure
    figure, panel = new_figure(size=(4.0, 4.0), caption="Attention: targets in rows, sources in columns.")
    panel.imshow(matrix, cmap="magma_r", interpolation="nearest")
    panel.grid(False)
    panel.set_xlabel("source")
    panel.set_ylabel("target")
    return figure
