"""The callback that `wot` is built on: quantisation-aware training, with nothing held."""

from __future__ import annotations

import weakref
from typing import Any, get_args

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from fulmen.errors import CheckpointError
from fulmen_zero_space_ecc.training import guards
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.training.starting import restart_averages, start
from fulmen_zero_space_ecc.weights.placement import Layout, Segment
from fulmen_zero_space_ecc.weights.saved_state import STATE_KEY
from fulmen_zero_space_ecc.weights.scales import Granularity, largest


class QuantizationAwareTraining(Callback):
    """Trains with 8-bit weights and activations: batch normalisation folded, scales frozen.

    Subclasses add what to do with the weights by ``on_frozen`` and ``on_step``.

    Args:
        layout: Which weights form a block of 8: ``interleaved`` or ``paper``.
        start_epoch: The epoch at whose start folding and freezing happen.
        activations: Quantise the input of each layer to 8 bits as well.
        activation_decay: The decay of the moving average of activation ranges, in [0, 1).
        ignore: Names of modules or parameters of the model to leave as they are.
        scales: ``layer``, one scale a layer; or ``channel``, one for each output channel.

    Raises:
        UserError: an option is out of range.
    """

    throttled_in_eval = False

    def __init__(
        self,
        layout: Layout = "interleaved",
        start_epoch: int = 0,
        activations: bool = True,
        activation_decay: float = 0.999,
        ignore: list[str] | None = None,
        scales: Granularity = "layer",
    ) -> None:
        known = get_args(Granularity)
        guards.require("scales", scales, scales in known, f"one of {', '.join(known)}")
        guards.require("layout", layout, layout in get_args(Layout), f"one of {', '.join(get_args(Layout))}")
        guards.require("start_epoch", start_epoch, start_epoch >= 0, "0 or more")
        guards.require(
            "activation_decay", activation_decay, 0 <= activation_decay < 1, "at least 0 and below 1"
        )
        self.layout: Layout = layout
        self.start_epoch = start_epoch
        self.activations = activations
        self.activation_decay = activation_decay
        self.ignore = list(ignore or ())
        self.scales: Granularity = scales
        self.trained = False
        self._quantized: QuantizedModel | None = None
        self._saved: dict[str, Any] | None = None
        self._saved_of: weakref.ref[LightningModule] | None = None  # None: of whatever model comes next
        self._handles: list[RemovableHandle] = []

    @property
    def live(self) -> QuantizedModel | None:
        """The model that is being trained or evaluated, once its scales are frozen."""
        return self._quantized if self._quantized is not None and self._quantized.started else None

    @property
    def trained_model(self) -> LightningModule | None:
        """The model that this callback's state was frozen in, if it is still there."""
        return self._saved_of() if self._saved_of is not None else None

    def on_frozen(self, quantized: QuantizedModel) -> None:
        """Act on the weights at the instant at which the scales are frozen."""

    def on_step(self, quantized: QuantizedModel, segments: list[Segment], optimizer: Optimizer) -> None:
        """Act on the weights that an optimiser has just stepped."""

    # State.

    @property
    def state_key(self) -> str:
        """The key of this callback's state in a checkpoint, whatever its options and class."""
        return STATE_KEY

    def state_dict(self) -> dict[str, Any]:
        """Return what is frozen as plain numbers, strings and tensors."""
        if self._quantized is None and self._saved is not None:
            return self._saved
        frozen = self.live.state_dict() if self.live is not None else None
        return {"layout": self.layout, "ignore": self.ignore, "frozen": frozen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a checkpoint's state; the model is prepared by it when the run starts.

        Raises:
            CheckpointError: its weights were placed by another layout or with other layers ignored.
        """
        for option in ("layout", "ignore"):
            theirs, ours = state_dict[option], getattr(self, option)
            if state_dict["frozen"] is not None and theirs != ours:
                raise CheckpointError(
                    f"wot: the checkpoint was trained with {option}: {theirs}, this run has {option}: "
                    f"{ours}; other weights would be held. Set the checkpoint's {option}."
                )
        self._saved, self._saved_of = state_dict, None
        if self._quantized is not None:  # a tuner goes back to where it began, in the middle of a fit
            self._quantized.detach()
            self._prepare(self._quantized.model)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Forget what an earlier run froze where a checkpoint has nothing to take its place."""
        if STATE_KEY not in checkpoint.get("callbacks", {}):
            self._saved = None

    # Training.

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what cannot work before anything is built."""
        guards.refuse_sharded(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Place the weights, take over a checkpoint's state, put the hooks on."""
        guards.refuse_late_start(trainer, self.first_epoch(trainer))
        guards.refuse_unhooked(trainer)
        self.trained = False
        self._forget_other_models(pl_module)
        quantized = self._prepare(pl_module)
        guards.refuse_unequal_models(trainer, quantized.placement)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch the optimisers: act after each real step, before anything saves, averages or logs."""
        self.trained = True
        self._handles += [
            optimizer.register_step_post_hook(self._after_step) for optimizer in trainer.optimizers
        ]
        # Before on_train_epoch_start, in which stochastic weight averaging takes its first average.
        if self.first_epoch(trainer) == 0:
            self._start_if_due(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start at the epoch that was asked for."""
        self._start_if_due(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Keep folded normalisations folded, whoever called ``train()``."""
        if self.live is not None:
            self.live.hold_normalisations()
            self.live.train(True)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Keep the gradients of folded normalisations, which do not learn, out of gradient clipping."""
        for parameter in self.live.pinned_parameters() if self.live is not None else ():
            if parameter.grad is not None:
                parameter.grad.zero_()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let activation ranges follow what all processes saw."""
        if self.live is not None:
            self.live.train(False)
            self.live.update_ranges(trainer.strategy.reduce(self.live.seen.clone(), reduce_op="max"))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take all hooks off; what is frozen is kept, for evaluations that follow."""
        self._release(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave a clean model to whoever catches the exception."""
        self._release(pl_module)

    def first_epoch(self, trainer: Trainer) -> int:
        """Return the epoch at which to start; a fast_dev_run has but one, and shall see everything."""
        return 0 if trainer.fast_dev_run else self.start_epoch  # type: ignore[attr-defined]

    def stepped_by(self, optimizer: Optimizer) -> list[Segment]:
        """Return the weights that an optimiser trains."""
        assert self.live is not None
        stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        weights = self.live.weights
        return [segment for segment in self.live.placement.segments if id(weights[segment.name]) in stepped]

    def _forget_other_models(self, pl_module: LightningModule) -> None:
        """Scales frozen in an earlier run of this callback are right for the model of that run alone."""
        if self._saved_of is not None and self._saved_of() is not pl_module:
            self._saved, self._saved_of = None, None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_saved_of": None}  # a weak reference cannot be pickled

    def _prepare(self, pl_module: nn.Module) -> QuantizedModel:
        self._quantized = QuantizedModel(
            pl_module,
            guards.place(pl_module, self.layout, self.ignore),
            activations=self.activations,
            activation_decay=self.activation_decay,
            device=next(pl_module.parameters()).device,
            throttled_in_eval=self.throttled_in_eval,
            scales=self.scales,
        )
        if self._saved is not None and self._saved["frozen"] is not None:
            guards.restore(self._quantized, self._saved["frozen"])
        self._quantized.attach()
        return self._quantized

    def _start_if_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        quantized = self._quantized
        if quantized is None or quantized.started or trainer.current_epoch < self.first_epoch(trainer):
            return
        start(trainer, pl_module, quantized)
        self.on_frozen(quantized)
        restart_averages(trainer, pl_module)
        for logger in trainer.loggers:
            scales = quantized.state_dict()["scales"].items()
            values = {f"fulmen/zero_space_ecc/scale/{name}": largest(scale) for name, scale in scales}
            logger.log_metrics(values, step=trainer.global_step)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self.live is not None:
            self.live.hold_normalisations()
            self.on_step(self.live, self.stepped_by(optimizer), optimizer)

    def _release(self, pl_module: LightningModule) -> None:
        while self._handles:
            self._handles.pop().remove()
        if self._quantized is not None:
            self._quantized.detach()
            self._saved, self._saved_of = self.state_dict(), weakref.ref(pl_module)
        self._quantized = None

    # Evaluation without training.

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate with the 8-bit weights that were trained."""
        self._evaluate_quantized(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test with the 8-bit weights that were trained."""
        self._evaluate_quantized(trainer, pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Predict with the 8-bit weights that were trained."""
        self._evaluate_quantized(trainer, pl_module)

    def _evaluate_quantized(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if any(getattr(callback, "serves_weights", False) for callback in trainer.callbacks):  # type: ignore[attr-defined]
            return  # zero_space_ecc computes with these weights, from protected bytes
        self._forget_other_models(pl_module)
        frozen = self._saved is not None and self._saved["frozen"] is not None
        if frozen and trainer.state.fn != TrainerFn.FITTING:
            self._prepare(pl_module)
