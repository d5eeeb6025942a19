"""The callback `wot`: weight-distribution-oriented training."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from fulmen import UserError
from fulmen_zero_space_ecc.training import guards
from fulmen_zero_space_ecc.training.qat import QuantizationAwareTraining
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.weights.placement import Layout, Segment
from fulmen_zero_space_ecc.weights.scales import Granularity

Mode = Literal["throttle", "hinge", "admm"]


class WeightDistributionTraining(QuantizationAwareTraining):
    """Trains int8 weights whose check bits fit in place: 7 of 8 weights end in [-64, 63].

    When it starts, batch normalisation is folded into the convolutions before it and the scale of
    each layer is frozen. From then on each layer computes with 8-bit weights and activations
    (gradients pass straight through), and the weights that `placement` names are held in the box.
    Parameters keep their names and shapes, so that checkpoints load anywhere; what is frozen is
    kept in this callback's own state, and a resumed run goes on exactly.

    Args:
        mode: ``throttle`` clamps the weights after every optimiser step. ``hinge`` pulls large ones
            a part of the way back instead and clamps once, at the end; validation and checkpoints
            see clamped weights throughout. ``admm``, the paper's other way, adds the gradient of an
            augmented Lagrangian, and clamps once at the end likewise; kept for comparison.
        layout: Which weights form a block of 8: ``interleaved`` (one from each eighth of the
            model; resists bursts of faults, checks fastest) or ``paper`` (8 consecutive ones).
        start_epoch: The epoch at whose start folding, freezing and holding happen. Epochs before
            it train in floating point as if the callback were not there. A network that was not
            trained before needs some, or its batch normalisation is folded unlearned.
        hinge_strength: The part of the way that ``mode: hinge`` takes a weight back at each step,
            above 0 and at most 1, which is the throttle. What is left after some steps falls as
            ``(1 - hinge_strength) ** steps``.
        activations: Quantise the input of each layer to 8 bits as well, as the paper does.
        activation_decay: The decay of the moving average of activation ranges, in [0, 1).
        ignore: Names of modules or parameters of the model to leave as they are (a teacher, a
            position table, an attention layer).
        scales: ``layer``, one scale a layer, its largest weight on 127, as the paper has it; or
            ``channel``, one for each output channel, which loses least inside the box.
        admm_rho: The strength of ``mode: admm``, above 0: rho of the augmented Lagrangian.
        remove_outward_velocity: With ``mode: throttle``, take from the optimiser's momentum what would
            push weights at the end of the box further out.

    Raises:
        UserError: an option is out of range; or, when training starts, something in the model or
            the Trainer cannot be combined with it. Names what and the remedy.
        FulmenError: after training, a held weight lies outside [-64, 63], processes hold different
            weights, or training ended before ``start_epoch``.

    Logs ``fulmen/zero_space_ecc/large_weights`` (held weights found outside the box after a step,
    before they are clamped), ``.../large_fraction`` and, once, ``.../scale/<weight>``.

    Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479). The paper's code clamps five
    times an epoch and lets the scale follow the weights; here every step, with a frozen scale.
    """

    def __init__(
        self,
        mode: Mode = "throttle",
        layout: Layout = "interleaved",
        start_epoch: int = 0,
        hinge_strength: float = 0.05,
        activations: bool = True,
        activation_decay: float = 0.999,
        ignore: list[str] | None = None,
        scales: Granularity = "layer",
        admm_rho: float = 0.1,
        remove_outward_velocity: bool = False,
    ) -> None:
        super().__init__(layout, start_epoch, activations, activation_decay, ignore, scales)
        guards.require("mode", mode, mode in get_args(Mode), f"one of {', '.join(get_args(Mode))}")
        guards.require("hinge_strength", hinge_strength, 0 < hinge_strength <= 1, "above 0 and at most 1")
        guards.require("admm_rho", admm_rho, 0 < admm_rho < float("inf"), "a number above 0")
        if remove_outward_velocity and mode != "throttle":
            raise UserError(
                f"wot: remove_outward_velocity needs mode throttle, mode is {mode}, in which weights may lie "
                "outside of the box; leave one of the two out."
            )
        self.mode = mode
        self.hinge_strength = hinge_strength
        self.admm_rho = admm_rho
        self.remove_outward_velocity = remove_outward_velocity
        self.throttled_in_eval = self.soft = mode != "throttle"  # weights may lie outside while it trains
        self._large: Tensor | None = None
        self._penalised = False

    def state_dict(self) -> dict[str, Any]:
        """Return what is frozen; where weights may lie outside, those that state dicts show clamped."""
        state = super().state_dict()
        if self.soft and self.live is not None:
            state["outside"] = self.live.outside()
        if self.mode == "admm" and self.live is not None:
            state["admm"] = self.live.admm_state()
        return state

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Place the weights, take over a checkpoint's state, put the hooks on."""
        super().on_fit_start(trainer, pl_module)
        if self.live is not None and self._saved is not None:
            self.live.put_back_(self._saved.get("outside", {}))
            self.live.load_admm_state(self._saved.get("admm", {}))
        if self.soft:
            hook = partial(
                self._show_throttled
            )  # Module.state_dict marks its hooks, which methods do not allow
            self._handles.append(pl_module.register_state_dict_post_hook(hook))  # type: ignore[no-untyped-call]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch the optimisers: hold the weights after each real step."""
        guards.refuse_averages_across_start(trainer, self.mode, self.first_epoch(trainer))
        if self.remove_outward_velocity:
            guards.refuse_without_momentum(trainer)
        if self.mode == "admm":
            self._handles += [
                optimizer.register_step_pre_hook(self._before_raw_step) for optimizer in trainer.optimizers
            ]
        super().on_train_start(trainer, pl_module)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the gradient of ``mode: admm``, before gradients are clipped."""
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        if self.mode == "admm" and self.live is not None:
            self.live.penalise_(self.admm_rho, self.stepped_by(optimizer))
            self._penalised = True

    def _before_raw_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Do so where an optimiser is stepped by hand, without Lightning's wrapper around it."""
        closures = (*args[1:2], kwargs.get("closure"))  # the first of args is the optimiser
        by_lightning = self._penalised or any(closure is not None for closure in closures)
        if not by_lightning and self.live is not None:
            self.live.penalise_(self.admm_rho, self.stepped_by(optimizer))

    def on_frozen(self, quantized: QuantizedModel) -> None:
        """Hold from the start, not from the first step on: it may be some micro-batches away."""
        if self.mode == "throttle":
            quantized.throttle_()

    def on_step(self, quantized: QuantizedModel, segments: list[Segment], optimizer: Optimizer) -> None:
        """Count the large weights, then hold or pull them."""
        for count in quantized.count_outside(segments).values():
            self._large = count if self._large is None else self._large + count
        if self.mode == "throttle":
            quantized.throttle_(segments)
            if self.remove_outward_velocity:
                quantized.remove_outward_(optimizer, segments)
        elif self.mode == "hinge":
            quantized.pull_(self.hinge_strength, segments)
        else:
            quantized.update_admm_(segments)
            self._penalised = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let activation ranges follow what all processes saw, and log."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self.live is not None and self._large is not None:
            large = self._large.float()
            values = {"large_weights": large, "large_fraction": large / self.live.placement.num_held}
            values = {f"fulmen/zero_space_ecc/{name}": value for name, value in values.items()}
            pl_module.log_dict(values, on_step=True, on_epoch=False, batch_size=1)
        self._large = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave clamped weights, to whoever saves them now; what was clamped is kept, to go on from."""
        quantized = self.live
        super().on_exception(trainer, pl_module, exception)
        if quantized is not None and self.soft:
            quantized.throttle_()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the penalty with one throttle."""
        if self.live is not None and self.soft:
            self.live.throttle_()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the promise, after what other callbacks did when training ended."""
        if self.trained:
            guards.check_started(trainer, self.live, self.start_epoch)
        if self.trained and self.live is not None:
            self.live.hold_normalisations()
            guards.check_held(self.live)
            guards.check_equal(trainer, self.live)

    def _show_throttled(self, module: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        """Put throttled copies into a state dict, where the mode lets weights lie outside."""
        if self.live is not None:
            self.live.show_throttled(state, prefix)
