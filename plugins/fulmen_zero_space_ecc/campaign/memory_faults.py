"""The analyzer `memory_faults`: what do faults in memory do to a model, protected or not?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningModule

import fulmen
from fulmen import UserError
from fulmen_zero_space_ecc.campaign import fault_charts, fault_tables
from fulmen_zero_space_ecc.campaign.activation_faults import (
    ActivationMemory,
    measured_ranges,
    run_activation_piece,
)
from fulmen_zero_space_ecc.campaign.fault_options import OWNER, FaultOptions
from fulmen_zero_space_ecc.campaign.labelled_batches import labelled_batches
from fulmen_zero_space_ecc.campaign.memory_image import MemoryImage, memory_image
from fulmen_zero_space_ecc.campaign.number_formats import NumberFormat
from fulmen_zero_space_ecc.campaign.resident import Batch, Resident
from fulmen_zero_space_ecc.campaign.running import Cell, Piece, run_campaign, run_piece
from fulmen_zero_space_ecc.campaign.schemes import SCHEMES
from fulmen_zero_space_ecc.campaign.trial import Workbench
from fulmen_zero_space_ecc.campaign.vulnerability import run_vulnerability, vulnerability_pieces
from fulmen_zero_space_ecc.training import guards
from fulmen_zero_space_ecc.weights.placement import Layout
from fulmen_zero_space_ecc.weights.saved_state import saved_state

if TYPE_CHECKING:
    from torch import nn


class MemoryFaults(fulmen.Analyzer):
    """Lets faults fall on a model's weights in memory, under each protection, and measures the accuracy.

    Weights lie in memory as ``number_format`` says, with the scales that `wot` froze where the
    checkpoint has them. In each trial faults fall on what a scheme has stored, its check bits included;
    its real decoder reads that; the network classifies the images. All schemes meet the same faults
    in the weights' own bits. Biases, normalisation and scales are not hit. The model is not changed.

    Args:
        schemes: Which protections; None: all that the number format allows. ``none``,
            ``sign_extension`` (the control: no code), ``parity_zero``, ``ecc_72_64``,
            ``ecc_72_64_signed`` (its decoder knows the box), ``in_place``, ``mset``, ``triple``,
            ``checksum_reload``.
        rates: Shares of all stored bits that are hit, each from 0 to 1.
        fault_model: ``independent`` flips; ``exact``, int(bits * rate) flips as in the paper;
            ``bursts``; ``rows``; ``stuck_at``.
        number_format: ``int8``, ``float32`` or ``bfloat16``.
        faults_in: ``weights``, or ``activations``: the inputs of layers, unprotected.
        trials: At most so many a scheme and rate.
        min_trials: At least so many before stopping early.
        half_width: Stop when half of the interval of the mean accuracy is at most this (0.005 is half
            a point); None: run all trials.
        confidence: Of all intervals.
        policies: What becomes of blocks known to be wrong: ``leave``, ``zero``, ``golden`` (read again
            from a trusted copy), ``mmse``; a scheme is tried with each that it knows.
        layers: Only these layers are hit; None: all.
        bits: Only these bits of each weight are hit, 0 the lowest; None: all. With ``layers`` or
            ``bits``, check bits stored apart are spared.
        burst_length: Flips a burst.
        burst_stride: Bits from one flip of a burst to the next; 8: one bit in each neighbouring byte.
        row_bytes: Bytes a row.
        stuck_value: 0 or 1; None: either.
        vulnerability_trials: Trials per bit of each layer at the highest rate, unprotected; 0: none.
        fit_per_mbit: Flips per 10^9 hours and Mbit of the memory that you mean, for the table of scrub
            periods; None: no table.
        mttf_years: The mean time to the first lost block that is wanted, for how often to scrub.
        stage: Images of the ``test`` or ``val`` loader.
        images: Only the first so many; None: all.
        layout: Which weights form a block of 8; None: that of the checkpoint's `wot`, or
            ``interleaved``.
        ignore: Names of modules or parameters to leave out; None: those of the checkpoint's `wot`.
        cache_mb: Memory for activations from which forward passes go on; 0: each pass is whole.
        measure_time: Add how long each scheme takes to encode and decode. Such a report is another
            each time.

    Raises:
        UserError: an option makes no sense; there is no model or there are no labelled images; a scheme
            needs weights held in [-64, 63] and they are not.

    Reports the table ``campaign`` and the scalars ``accuracy/<scheme>/<rate>``; a scheme under a policy
    other than ``leave`` is called ``<scheme>+<policy>``. Accuracies are shares, not percent.
    """

    def __init__(
        self,
        schemes: list[str] | None = None,
        rates: list[float] = [1e-5, 1e-4, 1e-3, 1e-2],  # noqa: B006  (never changed)
        fault_model: Literal["independent", "exact", "bursts", "rows", "stuck_at"] = "independent",
        number_format: NumberFormat = "int8",
        faults_in: Literal["weights", "activations"] = "weights",
        trials: int = 200,
        min_trials: int = 30,
        half_width: float | None = 0.005,
        confidence: float = 0.95,
        policies: list[str] = ["leave"],  # noqa: B006
        layers: list[str] | None = None,
        bits: list[int] | None = None,
        burst_length: int = 8,
        burst_stride: int = 1,
        row_bytes: int = 1024,
        stuck_value: int | None = None,
        vulnerability_trials: int = 0,
        fit_per_mbit: float | None = None,
        mttf_years: float = 1000.0,
        stage: Literal["test", "val"] = "test",
        images: int | None = None,
        layout: Layout | None = None,
        ignore: list[str] | None = None,
        cache_mb: int = 1024,
        measure_time: bool = False,
    ) -> None:
        self.options = FaultOptions(
            schemes=schemes,
            rates=[float(rate) for rate in rates],
            fault_model=fault_model,
            number_format=number_format,
            faults_in=faults_in,
            trials=trials,
            min_trials=min_trials,
            half_width=half_width,
            confidence=confidence,
            policies=policies,
            layers=layers,
            bits=bits,
            burst_length=burst_length,
            burst_stride=burst_stride,
            row_bytes=row_bytes,
            stuck_value=stuck_value,
            vulnerability_trials=vulnerability_trials,
            fit_per_mbit=fit_per_mbit,
            mttf_years=mttf_years,
            stage=stage,
            images=images,
            layout=layout,
            ignore=ignore,
            cache_mb=cache_mb,
            measure_time=measure_time,
        )
        self.options.check()

    def analyze(self, context: fulmen.AnalysisContext) -> fulmen.Report:
        """Run the campaign on the context's model and images."""
        options = self.options
        model = _classifier(context.model)
        image = _image(model, context.checkpoint, options)
        batches = labelled_batches(context.datamodule, options.stage, options.images, OWNER)
        if options.faults_in == "activations":
            return self._activations(context, image, batches)
        labels = options.labels(boxed=image.arena().held is not None)
        try:
            target = image.target(options.layers, options.bits)
        except ValueError as error:
            raise UserError(f"{OWNER}: {error}") from error
        resident = _resident(image, batches, context.device, options)
        bench = Workbench(resident, context.seed, options.build_fault_model(), target)
        clean = {label: bench.clean_accuracy(label) for label in labels}
        setup = _offer(bench, _key(options, image, batches, context.seed))

        def run(pieces: Sequence[Piece], number: int) -> list[Any]:
            return context.map(run_piece, pieces, f"campaign-{number + 1}", setup=setup)

        cells = run_campaign(labels, options.rates, options.effort(), run)
        vulnerability: list[dict[str, Any]] = []
        if options.vulnerability_trials:
            pieces = vulnerability_pieces(bench, max(options.rates), options.vulnerability_trials)
            rows = context.map(run_vulnerability, pieces, "vulnerability", setup=setup)
            vulnerability = fault_tables.vulnerability(pieces, rows, image, bench.clean_accuracy("none"))
        schemes = [bench.scheme(label) for label in labels]
        times = fault_tables.times(schemes) if options.measure_time else []
        _forget(setup)
        return _report(options, image, resident.images, cells, clean, schemes, vulnerability, times)

    def _activations(
        self, context: fulmen.AnalysisContext, image: MemoryImage, batches: list[Batch]
    ) -> fulmen.Report:
        options = self.options
        known = [layer for segment in image.placement.segments for layer in segment.layers]
        chosen = known if options.layers is None else options.layers
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise UserError(
                f"{OWNER}: layers: no weights of {unknown[0]!r}; there are {', '.join(known[:10])}."
            )
        ranges = dict(image.activation_ranges)
        if options.number_format == "int8" and not ranges:
            image.model.to(context.device)
            ranges = measured_ranges(image.model, known, [images.to(context.device) for images, _ in batches])
        bits = None if options.bits is None else tuple(sorted(set(options.bits)))
        memory = ActivationMemory(
            context.seed, options.build_fault_model(), options.number_format, ranges, chosen, bits
        )
        resident = _resident(image, batches, context.device, options, memory)
        setup = _offer((resident, memory), _key(options, image, batches, context.seed))

        def run(pieces: Sequence[Piece], number: int) -> list[Any]:
            return context.map(run_activation_piece, pieces, f"campaign-{number + 1}", setup=setup)

        cells = run_campaign(["none"], options.rates, options.effort(), run)
        _forget(setup)
        clean = {"none": resident.clean_accuracy}
        return _report(options, image, resident.images, cells, clean, [], [], [])


# The work of a map is plain data; what its pieces share is too large for that, and is in this process
# already. An engine that works elsewhere finds nothing here and says so.
_BENCHES: dict[str, Any] = {}


def shared_bench(key: str) -> Any:
    """Return what the pieces of a campaign share.

    Raises:
        RuntimeError: this process does not hold it.
    """
    if key not in _BENCHES:
        raise RuntimeError(
            f"{OWNER}: this process does not hold the model of the campaign; run it with engine inline."
        )
    return _BENCHES[key]


def _offer(bench: Any, key: str) -> tuple[Any, tuple[str]]:
    _BENCHES[key] = bench
    return shared_bench, (key,)


def _forget(setup: tuple[Any, tuple[str]]) -> None:
    _BENCHES.pop(setup[1][0], None)


def _key(options: FaultOptions, image: MemoryImage, batches: Sequence[Batch], seed: int) -> str:
    """Return what tells this campaign from others: its pieces are taken back only for the same."""
    digest = hashlib.blake2b(digest_size=16)
    # How many trials there are to be changes none of them.
    shaping = {
        name: value
        for name, value in vars(options).items()
        if name not in ("trials", "min_trials", "half_width", "confidence", "rates", "schemes", "policies")
    }
    digest.update(repr((sorted(shaping.items()), seed)).encode())
    digest.update(image.content.tobytes())
    for name, tensor in image.model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    for name, scale in image.scales.items():
        digest.update(name.encode() + np.asarray(scale).tobytes())
    digest.update(repr(sorted(image.activation_ranges.items())).encode())
    for images, labels in batches:
        digest.update(images.cpu().contiguous().numpy().tobytes() + labels.cpu().numpy().tobytes())
    return digest.hexdigest()


def _classifier(model: LightningModule | None) -> LightningModule:
    if model is None:
        raise UserError(f"{OWNER}: no model to examine; set model and ckpt_path.")
    name = type(model).__name__
    if type(model).forward is LightningModule.forward:
        raise UserError(f"{OWNER}: model {name} has no forward; one that maps images to scores is needed.")
    for module in model.modules():
        if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:
            raise UserError(
                f"{OWNER}: model {name} is compiled, which hides its layers; analyze it uncompiled."
            )
    return model


def _image(model: nn.Module, checkpoint: Mapping[str, Any] | None, options: FaultOptions) -> MemoryImage:
    state = saved_state(checkpoint) if checkpoint else None
    kept: Mapping[str, Any] = {"layout": "interleaved", "ignore": []} if state is None else state
    layout = kept["layout"] if options.layout is None else options.layout
    if state is not None and layout != kept["layout"]:
        raise UserError(
            f"{OWNER}: layout is {layout!r}, the checkpoint's weights were held by wot in layout "
            f"{kept['layout']!r}; leave layout out, or train with that one."
        )
    ignore = kept["ignore"] if options.ignore is None else options.ignore
    placed = guards.place(model, layout, ignore, OWNER)
    try:
        image = memory_image(model, placed, options.number_format, None if state is None else state["frozen"])
    except ValueError as error:
        raise UserError(f"{OWNER}: {error}") from error
    if options.needs_box() and (wrong := image.outside()):
        listed = ", ".join(f"{layer}: {count}" for layer, count in list(wrong.items())[:5])
        others = [name for name, kind in SCHEMES.items() if not kind.needs_box]
        raise UserError(
            f"{OWNER}: {sum(wrong.values())} held weights lie outside [-64, 63] ({listed}), so that in-place "
            "protection cannot hold them: train some epochs with callback wot, or name schemes that need no "
            f"room (schemes: [{', '.join(others)}])."
        )
    return image


def _resident(
    image: MemoryImage,
    batches: list[Batch],
    device: torch.device,
    options: FaultOptions,
    memory: ActivationMemory | None = None,
) -> Resident:
    inputs = None if memory is None else memory.inputs
    cache = options.cache_mb << 20
    try:
        resident = Resident(image, batches, device, cache, inputs)
    except ValueError as error:
        raise UserError(f"{OWNER}: {error}") from error
    return resident


def _report(
    options: FaultOptions,
    image: MemoryImage,
    images: int,
    cells: list[Cell],
    clean: dict[str, float],
    schemes: list[Any],
    vulnerability: list[dict[str, Any]],
    times: list[dict[str, Any]],
) -> fulmen.Report:
    extra = {scheme.label: scheme.extra_bytes for scheme in schemes}
    reference = clean.get("none", max(clean.values()))
    tables = fault_tables.tables(options, cells, clean, reference, schemes, vulnerability, times)
    figures = {"accuracy": fault_charts.accuracy(cells, reference, options.confidence)}
    if vulnerability:
        layers = [segment.layers[0] for segment in image.placement.segments]
        figures["vulnerability"] = fault_charts.vulnerability(vulnerability, layers)
    scalars = {f"accuracy/{cell.scheme}/{cell.rate:g}": cell.accuracy for cell in cells}
    scalars |= {f"clean_accuracy/{label}": value for label, value in clean.items()}
    scalars |= {f"extra_bytes/{label}": float(value) for label, value in extra.items()}
    scalars |= {"weights": float(image.placement.numel), "images": float(images)}
    arrays = {
        f"accuracies.{cell.scheme.replace('+', '.')}.{cell.rate:g}": np.array(cell.accuracies)
        for cell in cells
    }
    return fulmen.Report(
        title=f"Faults in {options.faults_in}: {options.fault_model}, {options.number_format}",
        scalars=scalars,
        tables=tables,
        figures=figures,
        arrays=arrays,
        findings=fault_tables.findings(options, image, images, cells, clean, reference, extra),
    )
