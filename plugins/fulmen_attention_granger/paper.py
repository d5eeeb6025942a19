"""The model `attention_granger.paper`: the paper's transformer, trained with `fit` by its protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fulmen_attention_granger.forecaster_base import ForecasterBase
from fulmen_attention_granger.options import require
from fulmen_attention_granger.paper_network import PaperDesign, PaperNetwork, paper_readout


class PaperForecaster(ForecasterBase):
    """The forecasting transformer of arXiv:2311.06928, whose cross-attention is read as a graph.

    Mean squared error, AdamW, the rate halved when the validation loss has not fallen for 3 epochs; stop
    early with Lightning's own callback (the paper: patience 10). The read-out that counts there is the
    mean over 10 seeds.

    Args:
        variables: How many there are; null: as many as the data has, known once training starts.
        context: Rows of history; the data's ``context`` must be as much or more, its last rows are read.
        width: Of a token.
        heads: Of each attention.
        head_width: Of queries, keys and values.
        hidden: Of the feed-forward layers.
        dropout: On embeddings and feed-forward layers.
        lr: Learning rate.
        weight_decay: AdamW's.
    """

    def __init__(
        self,
        variables: int | None = None,
        context: int = 10,
        width: int = 100,
        heads: int = 10,
        head_width: int = 8,
        hidden: int = 400,
        dropout: float = 0.1,
        lr: float = 5e-4,
        weight_decay: float = 1e-3,
    ) -> None:
        super().__init__()
        require(
            type(self).__name__,
            variables=(variables, 2, None),
            context=(context, 1, None),
            width=(width, 1, None),
            heads=(heads, 1, None),
            head_width=(head_width, 1, None),
            hidden=(hidden, 1, None),
            dropout=(dropout, 0, 1),
            lr=(lr, 0, None),
            weight_decay=(weight_decay, 0, None),
        )
        self.sizes = {
            "context": context, "width": width, "heads": heads, "head_width": head_width, "hidden": hidden,
            "dropout": dropout,
        }  # fmt: skip
        self.context, self.lr, self.weight_decay = context, lr, weight_decay
        self.build(variables)

    def make_network(self, variables: int) -> PaperNetwork:
        """Return the network for so many variables."""
        return PaperNetwork(PaperDesign(variables, **self.sizes))  # type: ignore[arg-type]

    def variables_in(self, state: dict[str, Tensor]) -> int:
        """Return how many variables a state dict is of."""
        return len(state["network.space.weight"])

    def forward(self, context: Tensor) -> Tensor:
        """Return forecasts (batch, variables) of contexts (batch, context, variables)."""
        forecast: Tensor = self.network(context)[0]
        return forecast

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the mean squared error over values that were seen."""
        self.require_context(batch)
        if not self.training:
            self._seen = batch.context.detach()
        error = (self(batch.context) - batch.target[:, 0]).square()
        seen = batch.target_seen[:, 0].to(error.dtype)
        return {"loss": (error * seen).sum() / seen.sum().clamp_min(1)}

    def configure_optimizers(self) -> Any:
        """Return AdamW and its plateau schedule."""
        optimiser = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=3)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}

    def attention_map(self) -> np.ndarray | None:
        """Return the map over the last batch of validation, (targets, sources); None before there was one."""
        if self._seen is None:
            return None
        training = self.network.training
        matrix = paper_readout(self.network.eval(), self._seen)
        self.network.train(training)
        return matrix

    @torch.no_grad()
    def pair_scores(self, trials: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``attention``, (targets, sources), over all windows of z-scored trials."""
        contexts = [
            torch.from_numpy(np.nan_to_num(trial).astype(np.float32))
            .unfold(0, self.context, 1)
            .transpose(1, 2)
            for trial in trials
            if len(trial) > self.context
        ]
        return {"attention": paper_readout(self.network.eval(), torch.cat(contexts).to(self.device))}
