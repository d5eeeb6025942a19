"""The callback `zero_space_ecc`: a trained model in protected int8 form, saved so, and scrubbed in use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch.utils.hooks import RemovableHandle

from fulmen import UserError, write_artifact
from fulmen.errors import FulmenError
from fulmen_zero_space_ecc.code.floats import METHODS, Method
from fulmen_zero_space_ecc.protected import sidecar
from fulmen_zero_space_ecc.protected.file import read_form
from fulmen_zero_space_ecc.protected.form import Mended, ProtectedForm, own_state, protect
from fulmen_zero_space_ecc.protected.model import Mode, ProtectedModel
from fulmen_zero_space_ecc.protected.policies import POLICIES, Policy, UncorrectableError
from fulmen_zero_space_ecc.protected.state import decode, is_protected, to_state
from fulmen_zero_space_ecc.training import guards
from fulmen_zero_space_ecc.weights.placement import Layout
from fulmen_zero_space_ecc.weights.quantization import max_abs_scale
from fulmen_zero_space_ecc.weights.saved_state import STATE_KEY, saved_state

DECODER = "fulmen_zero_space_ecc.protected.state:decode"  # of the checkpoints that it saves
OWNER = "zero_space_ecc"


class ZeroSpaceProtection(Callback):
    """Protects a trained model's int8 weights by check bits in place, at no extra byte.

    After ``fit`` it saves the model in its protected form: a checkpoint that every verb of fulmen loads,
    and beside it a side-car file that repairs itself (``fulmen zero_space_ecc verify FILE``). During
    ``validate``, ``test`` and ``predict`` the model computes from the protected bytes, and a scrubber
    mends them. During ``fit`` it changes nothing: training needs the float weights. Put it after `wot`,
    which makes the room for the check bits.

    Args:
        mode: ``decode_on_use`` decodes the weights of a layer each time that the layer computes, so that a
            fault lasts until the next scrub at most. ``shadow`` keeps decoded float copies that each scrub
            refreshes: faster, but four times the memory, and a fault in a copy is not seen.
        policy: What becomes of a block with two wrong bits: ``leave`` (as it is), ``mmse`` (the expected
            weights), ``golden`` (read again from there), ``raise``, or ``zero`` (as in the paper; harmful).
        every_n_batches: Scrub before every n-th batch; 0 only when ``every_seconds`` says so.
        every_seconds: Scrub before a batch that comes this many seconds after the last scrub.
        floats: How scales, biases and normalisations are protected: ``mantissa`` (check bits in the last
            bits of the mantissas: no byte), ``secded72`` (1/8 more) or ``triple`` (2/1 more).
        golden: A side-car file of this model to read from; needed by ``policy: golden``.
        path: The checkpoint that is saved after ``fit``; by default ``protected.ckpt`` beside the run's
            checkpoints. The side-car has the same name and the suffix ``.zsecc``.
        threads: How many threads a scrub takes.
        save_in_use: Also save before ``validate``, ``test`` or ``predict`` computes: for a checkpoint whose
            weights were held without training, the ``data_free.ckpt`` of `weight_distribution`.

    Raises:
        UserError: an option is out of range, the model was never held in [-64, 63], or something cannot
            be protected. Names what, and the remedy.
        FulmenError: two bits of a block are wrong and the policy is ``raise``.

    Logs ``fulmen/zero_space_ecc/corrected`` and ``.../detected``.

    Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479), for check bits in place.
    """

    serves_weights = True  # wot leaves the weights to this callback

    def __init__(
        self,
        mode: Mode = "decode_on_use",
        policy: Policy = "leave",
        every_n_batches: int = 1,
        every_seconds: float | None = None,
        floats: Method = "mantissa",
        golden: str | None = None,
        path: str | None = None,
        threads: int = 1,
        save_in_use: bool = False,
    ) -> None:
        guards.require("mode", mode, mode in get_args(Mode), f"one of {', '.join(get_args(Mode))}", OWNER)
        guards.require("policy", policy, policy in POLICIES, f"one of {', '.join(POLICIES)}", OWNER)
        guards.require("floats", floats, floats in METHODS, f"one of {', '.join(METHODS)}", OWNER)
        guards.require("every_n_batches", every_n_batches, every_n_batches >= 0, "0 or more", OWNER)
        guards.require(
            "every_seconds", every_seconds, every_seconds is None or every_seconds > 0, "above 0", OWNER
        )
        guards.require("threads", threads, threads >= 1, "1 or more", OWNER)
        if policy == "golden" and golden is None:
            raise UserError(
                f"{OWNER}: policy is 'golden'; set golden to the side-car file that it reads from."
            )
        if golden is not None and policy != "golden":
            raise UserError(
                f"{OWNER}: golden is read by policy: golden alone, policy is {policy!r}; set both or none."
            )
        if not every_n_batches and every_seconds is None:
            raise UserError(f"{OWNER}: nothing says when to scrub; set every_n_batches or every_seconds.")
        self.mode: Mode = mode
        self.policy: Policy = policy
        self.every_n_batches = every_n_batches
        self.every_seconds = every_seconds
        self.floats: Method = floats
        self.golden = golden
        self.path = path
        self.threads = threads
        self.save_in_use = save_in_use
        self.found = Mended()
        self._state: Mapping[str, Any] | None = None
        self._model: ProtectedModel | None = None
        self._golden_form: ProtectedForm | None = None
        self._handle: RemovableHandle | None = None
        self._scrubbed = 0.0

    # Loading.

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what cannot work; let the model load protected checkpoints."""
        guards.refuse_sharded(trainer, OWNER)
        if self._handle is None:
            self._handle = pl_module.register_load_state_dict_pre_hook(_decode_in_place)  # type: ignore[no-untyped-call]
        if self.golden is not None and self._golden_form is None:
            self._golden_form = read_form(self.golden)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the scales that wot froze from a checkpoint."""
        self._state = saved_state(checkpoint)

    # After training.

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say it where training leaves no room for check bits, before it takes its time."""
        if _wot(trainer) is None:
            rank_zero_warn(
                f"{OWNER}: there is no callback wot, whose training makes room for check bits; nothing is "
                f"saved in protected form. Put wot before {OWNER} in trainer.callbacks."
            )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the protected model, if training was not interrupted."""
        wot = _wot(trainer)
        state = wot.state_dict() if wot is not None else None
        self._state = state if state and state["frozen"] else None
        if self._state is not None:
            self._save(trainer, self._protect(pl_module))

    def _save(self, trainer: Trainer, form: ProtectedForm) -> None:
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        path = Path(self.path) if self.path else _folder(trainer) / "protected.ckpt"
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=True)
        checkpoint["state_dict"] = to_state(form)
        checkpoint["callbacks"] = {STATE_KEY: self._state}
        checkpoint["fulmen_encoded_by"] = DECODER
        write_artifact(path, lambda file: torch.save(checkpoint, file))
        write_artifact(path.with_suffix(sidecar.SUFFIX), sidecar.dumps(form))
        rank_zero_info(
            f"{OWNER}: {form.placed.numel:,} weights protected in place, {form.extra_bytes} extra bytes; "
            f"saved as {path} and {path.with_suffix(sidecar.SUFFIX).name}."
        )

    # In use.

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute from the protected form, but for the validations of a fit."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._serve(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute from the protected form."""
        self._serve(trainer, pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute from the protected form."""
        self._serve(trainer, pl_module)

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Scrub when it is time."""
        self._scrub_if_due(batch_idx)

    def on_test_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Scrub when it is time."""
        self._scrub_if_due(batch_idx)

    def on_predict_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Scrub when it is time."""
        self._scrub_if_due(batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what was found."""
        self._report(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what was found."""
        self._report(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what was found."""
        self._report(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the model its float weights back."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave a clean model to whoever catches the exception."""
        self._release()

    @property
    def protected(self) -> ProtectedModel | None:
        """The protected model while it is used: where a fault injector finds the bytes."""
        return self._model

    def _serve(self, trainer: Trainer, pl_module: LightningModule) -> None:
        form = self._protect(pl_module)
        if self.save_in_use:
            if self._state is None:
                raise UserError(
                    f"{OWNER}: save_in_use: the weights come from no checkpoint that wot or the data-free "
                    "mode of weight_distribution made; give one (ckpt_path)."
                )
            self._save(trainer, form)
        if self._golden_form is not None and self._golden_form.placed != form.placed:
            raise UserError(
                f"{OWNER}: golden: {self.golden} is of another model or layout; give one of this model."
            )
        ranges = self._state["frozen"]["activation_ranges"] if self._state else None
        try:
            self._model = ProtectedModel(pl_module, form.to(pl_module.device), ranges, self.mode)
        except ValueError as error:
            raise UserError(f"{OWNER}: {error}") from error
        self._model.attach()
        self.found, self._scrubbed = Mended(), time.monotonic()

    def _protect(self, pl_module: LightningModule) -> ProtectedForm:
        layout: Layout = self._state["layout"] if self._state else "interleaved"
        ignore = self._state["ignore"] if self._state else []
        placed = guards.place(pl_module, layout, ignore, OWNER)
        try:
            state, aliases = own_state(pl_module)
            weights = {segment.name: pl_module.get_parameter(segment.name) for segment in placed.segments}
            scales = (
                self._state["frozen"]["scales"]
                if self._state
                else {name: float(max_abs_scale(weight)) or 1.0 for name, weight in weights.items()}
            )
            return protect(state, placed, scales, self.floats, aliases)
        except ValueError as error:
            raise UserError(f"{OWNER}: {error}") from error

    def _scrub_if_due(self, batch_idx: int) -> None:
        if self._model is None:
            return
        by_batch = self.every_n_batches and batch_idx % self.every_n_batches == 0
        by_time = self.every_seconds and time.monotonic() - self._scrubbed >= self.every_seconds
        if not (by_batch or by_time):
            return
        try:
            self.found += self._model.scrub(self.policy, self._golden_form, self.threads)
        except UncorrectableError as error:
            raise FulmenError(f"{OWNER}: {error} The policy is 'raise'.") from error
        self._scrubbed = time.monotonic()

    def _report(self, trainer: Trainer) -> None:
        if self._model is None:
            return
        for logger in trainer.loggers:
            values = {"corrected": float(self.found.corrected), "detected": float(self.found.detected)}
            logger.log_metrics(
                {f"fulmen/zero_space_ecc/{name}": value for name, value in values.items()},
                step=trainer.global_step,
            )
        if self.found != Mended():
            rank_zero_warn(
                f"{OWNER}: {self.found.corrected} wrong bits corrected, {self.found.detected} blocks with "
                f"two wrong bits met by policy {self.policy!r}."
            )

    def _release(self) -> None:
        if self._model is not None:
            self._model.detach()
            self._model = None
        if self._handle is not None:
            self._handle.remove()
            self._handle = None


def _decode_in_place(module: Any, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Before a model takes a state dict: if it is protected, put the plain one in its place."""
    if is_protected(state_dict):
        plain = decode(state_dict)
        state_dict.clear()
        state_dict.update(plain)


def _wot(trainer: Trainer) -> Callback | None:
    return next((c for c in trainer.callbacks if c.state_key == STATE_KEY), None)  # type: ignore[attr-defined]


def _folder(trainer: Trainer) -> Path:
    saver = trainer.checkpoint_callback
    folder = getattr(saver, "dirpath", None) or trainer.log_dir or trainer.default_root_dir
    return Path(folder)
