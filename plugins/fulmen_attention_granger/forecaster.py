"""The model `attention_granger.forecaster`: knock-out attention, trained with `fit` as any other model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fulmen_attention_granger import readouts
from fulmen_attention_granger.forecaster_base import ForecasterBase
from fulmen_attention_granger.knockout import block_starts, knock_out, mean_values
from fulmen_attention_granger.network import Design, KnockoutAttention
from fulmen_attention_granger.options import require
from fulmen_attention_granger.training import group_lasso, negative_log_likelihood
from fulmen_attention_granger.windows import windows

_HISTORIES = 2000  # windows that a read-out looks at, at most


class AttentionForecaster(ForecasterBase):
    """Knock-out attention as one LightningModule: forecasts that know what each source adds.

    The analyzer `attention_granger` trains such networks itself, several side by side; this one is for
    whoever wants forecasts, callbacks, loggers and devices of Lightning's. Given to the analyzer with its
    checkpoint, it is read instead of training. Do not stop early: it spoils the graph.

    Args:
        variables: How many there are; null: as many as the data has, known once training starts.
        lags: Rows of history that it looks at, at most the data's ``context``.
        nonlinear: With MLPs; without, it is a low-rank vector autoregression.
        variance: Forecast the variance too (for spikes, and whatever is noisier at some times).
        heads: Attention heads.
        width: Values per head.
        hidden: Of the MLPs.
        knockouts: Mean share of sources that are knocked out of a training window, 0 to .5.
        penalty: Factor on the group lasso's weight ``(log(N^2) / n)^.5``, n being the training windows;
            null: .16, or .5 for the linear model.
        lr: Peak learning rate; a cosine over the whole training leads down to 0.
        weight_decay: AdamW's.
        seed: Of the parameters and the knock-outs.
    """

    def __init__(
        self,
        variables: int | None = None,
        lags: int = 3,
        nonlinear: bool = True,
        variance: bool = False,
        heads: int = 4,
        width: int = 4,
        hidden: int = 32,
        knockouts: float = 0.1,
        penalty: float | None = None,
        lr: float = 1e-2,
        weight_decay: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require(
            type(self).__name__,
            variables=(variables, 2, None),
            lags=(lags, 1, None),
            heads=(heads, 1, None),
            width=(width, 1, None),
            hidden=(hidden, 1, None),
            knockouts=(knockouts, 0, 0.5),
            penalty=(penalty, 0, None),
            lr=(lr, 0, None),
            weight_decay=(weight_decay, 0, None),
        )
        self.context = self.lags = lags
        self.sizes: dict[str, Any] = {
            "nonlinear": nonlinear, "variance": variance, "heads": heads, "width": width, "hidden": hidden
        }  # fmt: skip
        self.knockouts, self.seed = knockouts, seed
        self.penalty = (0.16 if nonlinear else 0.5) if penalty is None else penalty
        self.lr, self.weight_decay = lr, weight_decay
        self.build(variables)

    def make_network(self, variables: int) -> KnockoutAttention:
        """Return the network; half of its channels say which values were seen."""
        return KnockoutAttention(Design(variables, variables, 2 * self.lags, **self.sizes), [self.seed])

    def variables_in(self, state: dict[str, Tensor]) -> int:
        """Return how many variables a state dict is of."""
        return state["network.attention"].shape[2]

    def histories(self, context: Tensor, seen: Tensor) -> Tensor:
        """Return (1, batch, variables, 2 lags), newest first, of contexts (batch, rows, variables)."""
        parts = [part[:, -self.lags :].flip(1).transpose(1, 2) for part in (context, seen.to(context.dtype))]
        return torch.cat(parts, -1)[None]

    def forward(self, context: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return forecasts (batch, variables) of contexts (batch, rows, variables)."""
        seen = torch.ones_like(context) if seen is None else seen
        forecast: Tensor = self.network(self.histories(context, seen)).mean[0]
        return forecast

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the negative log-likelihood, with the penalty while training, and the squared error."""
        self.require_context(batch)
        history = self.histories(batch.context, batch.context_seen)
        keep = self._keep(history) if self.training else None
        forecast = self.network(history, keep)
        future, known = batch.target[None, :, 0], batch.target_seen[None, :, 0].to(history.dtype)
        loss = negative_log_likelihood(forecast, future, known).sum()
        if self.training:
            lasso = group_lasso(forecast.values, self.network.signed_attention()).sum()
            return {"loss": loss + self._penalty_weight() * lasso}
        error = ((forecast.mean - future).square() * known).sum() / known.sum().clamp_min(1)
        return {"loss": loss, "squared_error": error}

    def configure_optimizers(self) -> Any:
        """Return AdamW and a one-cycle schedule over all steps."""
        optimiser = torch.optim.AdamW(
            self.parameters(), self.lr, weight_decay=self.weight_decay, betas=(0.9, 0.99)
        )
        steps = max(2, int(self.trainer.estimated_stepping_batches))
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.lr, steps, pct_start=0.15)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def attention_map(self) -> np.ndarray | None:
        """Return ``sum_h |A_hij|``, (targets, sources)."""
        with torch.no_grad():
            matrix: np.ndarray = self.network.signed_attention()[0].abs().sum(0).double().cpu().numpy()
        return matrix

    @torch.no_grad()
    def pair_scores(self, trials: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the read-outs of the network on z-scored trials, in the order of the variables."""
        cut = windows(trials, self.lags).to(self.device)
        history = cut.history
        if history.shape[-1] == self.lags:  # nothing is missing
            history = torch.cat([history, torch.ones_like(history)], -1)
        few = slice(None, None, max(1, len(cut) // _HISTORIES))
        network = self.network
        mean = mean_values(network, history[few])
        future, known = cut.future[few], cut.known[few]
        starts = block_starts(cut.trial[few], max(8, len(future) // 20))
        knockouts = knock_out(network, mean, history[few], future, known, starts, self.lags)
        return {
            "contribution": readouts.mean_readout("contribution", [knockouts]),
            "loss": readouts.mean_readout("loss", [knockouts]),
            "clark_west": readouts.clark_west([knockouts]),
            "attention": readouts.raw_attention(network),
            "weighted_attention": readouts.weighted_attention(network, history[few]),
        }

    def _keep(self, history: Tensor) -> Tensor:
        # Keyed by the step: a resumed training draws what an uninterrupted one would have drawn.
        generator = torch.Generator().manual_seed((self.seed << 32) + self.global_step)
        shape = history.shape[:3]
        rate = 2 * self.knockouts * torch.rand(*shape[:2], 1, generator=generator)
        return (torch.rand(*shape, generator=generator) > rate).to(history)

    def _penalty_weight(self) -> float:
        n = max(2, self.network.design.targets)
        batches = self.trainer.num_training_batches
        size = getattr(self.trainer.train_dataloader, "batch_size", None) or 1
        samples = size * batches if math.isfinite(batches) else size
        return self.penalty * math.sqrt(math.log(n * n) / max(1.0, samples))
