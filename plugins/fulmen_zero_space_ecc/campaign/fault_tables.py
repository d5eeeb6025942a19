"""The tables and sentences of a campaign."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fulmen_zero_space_ecc.campaign.running import QUANTILES, Cell, difference
from fulmen_zero_space_ecc.campaign.scrub_period import (
    HOURS,
    flips_per_bit_hour,
    mean_hours_to_loss,
    mean_hours_unprotected,
    scrub_period,
)
from fulmen_zero_space_ecc.campaign.vulnerability import order

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.campaign.fault_options import FaultOptions
    from fulmen_zero_space_ecc.campaign.memory_image import MemoryImage
    from fulmen_zero_space_ecc.campaign.schemes import Scheme

CAMPAIGN = (
    "scheme", "fault_model", "rate", "trials", "accuracy_mean", "accuracy_low", "accuracy_high",
    "accuracy_worst", "drop_mean", "corrected", "detected", "silent", "extra_bytes",
)  # fmt: skip
_HIGH_RATE = 1e-3
_BITS_A_BLOCK = {"in_place": 64, "ecc_72_64": 72, "ecc_72_64_signed": 72}


def tables(
    options: FaultOptions,
    cells: Sequence[Cell],
    clean: Mapping[str, float],
    reference: float,
    schemes: Sequence[Scheme],
    vulnerability: Sequence[Mapping[str, Any]],
    times: Sequence[Mapping[str, Any]],
) -> dict[str, pd.DataFrame]:
    """Return all tables by name; ``reference`` is the unprotected accuracy without faults."""
    extra = {scheme.label: scheme.extra_bytes for scheme in schemes}
    found = {
        "accuracies": _accuracies(cells, options.rates, extra),
        "campaign": pd.DataFrame([_campaign_row(cell, options, reference, extra) for cell in cells]),
        "quantiles": pd.DataFrame([_quantile_row(cell, options) for cell in cells]),
        "rates": pd.DataFrame([_rate_row(rate, options.fit_per_mbit) for rate in options.rates]),
        "trials": pd.DataFrame([row for cell in cells for row in _trial_rows(cell)]),
    }
    if schemes:
        found["schemes"] = pd.DataFrame([_scheme_row(scheme, clean[scheme.label]) for scheme in schemes])
    differences = _differences(cells, options.confidence)
    if differences:
        found["differences"] = pd.DataFrame(differences)
    if vulnerability:
        found["vulnerability"] = pd.DataFrame(vulnerability)
    if times:
        found["times"] = pd.DataFrame(times)
    if options.fit_per_mbit is not None and schemes:
        found["scrubbing"] = pd.DataFrame(_scrubbing(schemes, options.fit_per_mbit))
        found["scrub_periods"] = pd.DataFrame(
            [
                _period_row(s, options.fit_per_mbit, options.mttf_years)
                for s in schemes
                if s.label in _BITS_A_BLOCK
            ],
            columns=["scheme", "mttf_years", "scrub_every_hours"],
        )
    return found


def memory_of(rate: float) -> str:
    """Return what kind of memory has such a share of wrong bits."""
    if rate >= _HIGH_RATE:
        return "low-voltage SRAM, worn flash"
    return "milder undervolting or wear; far above DRAM"


def times(schemes: Sequence[Scheme], rounds: int = 9) -> list[dict[str, Any]]:
    """Return the median milliseconds in which each scheme encodes and decodes the whole arena."""
    rows = []
    for scheme in schemes:
        took = {
            "encode_ms": _median_ms(partial(scheme.encode, scheme.arena.content), rounds),
            "decode_ms": _median_ms(partial(scheme.decode, scheme.stored), rounds),
        }
        rows.append({"scheme": scheme.label, **took})
    return rows


def vulnerability(
    pieces: Sequence[Mapping[str, Any]],
    results: Sequence[Sequence[Sequence[float]]],
    image: MemoryImage,
    clean: float,
) -> list[dict[str, Any]]:
    """Return a row per bit of each layer, the most harmful first."""
    weights = {segment.layers[0]: segment.numel for segment in image.placement.segments}
    rows = []
    for piece, trials in zip(pieces, results, strict=True):
        accuracies, flips = zip(*trials, strict=True)
        rows.append(
            {
                "layer": piece["layer"],
                "bit": piece["bit"],
                "weights": weights[piece["layer"]],
                "rate": piece["rate"],
                "trials": len(trials),
                "flips_mean": float(np.mean(flips)),
                "accuracy_mean": float(np.mean(accuracies)),
                "accuracy_worst": min(accuracies),
                "drop_mean": clean - float(np.mean(accuracies)),
            }
        )
    return order(rows)


def findings(
    options: FaultOptions,
    image: MemoryImage,
    images: int,
    cells: Sequence[Cell],
    clean: Mapping[str, float],
    reference: float,
    extra: Mapping[str, int],
) -> list[str]:
    """Return what a reader should take away."""
    said = []
    worst_rate = max(options.rates)
    at = {cell.scheme: cell for cell in cells if cell.rate == worst_rate}
    ranked = sorted(at.values(), key=lambda cell: -cell.accuracy)
    named = (
        ranked if len(ranked) <= 3 else [ranked[0], *(at[n] for n in ("in_place",) if n in at), ranked[-1]]
    )
    listed = "; ".join(dict.fromkeys(_said(cell, options.confidence, extra) for cell in named))
    said.append(
        f"Without faults {reference:.2%} of {images} images are right. At rate {worst_rate:g}: {listed}."
    )
    if "in_place" in at and "none" in at and len(at["in_place"].outcomes):
        both, pairs = difference(at["in_place"], at["none"], options.confidence)
        said.append(
            f"In place minus unprotected at rate {worst_rate:g}: {100 * both.mean:+.2f} points "
            f"[{100 * both.low:+.2f}, {100 * both.high:+.2f}] over {pairs} paired trials; extra bytes: 0."
        )
    lossy = [label for label, value in clean.items() if value != reference and label != "none"]
    if lossy:
        changes = ", ".join(f"{label} {100 * (clean[label] - reference):+.2f}" for label in lossy)
        said.append(f"Accuracy given up without any fault, in points: {changes}.")
    if any(rate >= _HIGH_RATE for rate in options.rates):
        said.append(f"Rates of {_HIGH_RATE:g} and above are those of {memory_of(_HIGH_RATE)}, not of DRAM.")
    if options.fit_per_mbit is not None:
        daily = 24 * flips_per_bit_hour(options.fit_per_mbit)
        said.append(
            f"Memory of {options.fit_per_mbit:g} FIT/Mbit gathers {daily:.1e} flips a bit and day; the table "
            "scrubbing says how long it lasts when protected."
        )
    few = min(options.rates, default=0) * 8 * len(image.content)
    if options.fault_model == "exact" and any(
        int(r * 8 * len(image.content)) == 0 < r for r in options.rates
    ):
        said.append(
            "Fault model exact: int(bits * rate) is 0 at the lowest rates; independent has no such gap."
        )
    elif 0 < few < 1 and options.faults_in == "weights":
        said.append(f"At the lowest rate a trial has {few:.2g} flips on average: most trials have none.")
    agreeing = [cell for cell in cells if len(set(cell.accuracies)) == 1 and cell.rate > 0]
    if agreeing:
        fewest = min(len(cell.outcomes) for cell in agreeing)
        said.append(
            f"In {len(agreeing)} of {len(cells)} rows all trials agree: their interval has no width, and "
            f"rules out only outcomes more frequent than about 3 in {fewest}."
        )
    said.append(
        "corrected, detected and silent are means per trial, in units of the scheme (table schemes). "
        "Biases, normalisation and scales met no faults."
    )
    return said


def _said(cell: Cell, confidence: float, extra: Mapping[str, int]) -> str:
    interval = cell.interval(confidence)
    bytes_ = f", {extra[cell.scheme]:,} extra bytes" if cell.scheme in extra else ""
    return f"{cell.scheme} {interval.mean:.2%} +- {100 * interval.half_width:.2f}{bytes_}"


def _accuracies(cells: Sequence[Cell], rates: Sequence[float], extra: Mapping[str, int]) -> pd.DataFrame:
    """Return the mean accuracies at a glance: a row per scheme, a column per rate."""
    at = {(cell.scheme, cell.rate): cell.accuracy for cell in cells}
    return pd.DataFrame(
        [
            {"scheme": scheme, "extra_bytes": extra.get(scheme, 0)}
            | {f"{rate:g}": at[scheme, rate] for rate in rates if (scheme, rate) in at}
            for scheme in dict.fromkeys(cell.scheme for cell in cells)
        ]
    )


def _campaign_row(
    cell: Cell, options: FaultOptions, reference: float, extra: Mapping[str, int]
) -> dict[str, Any]:
    interval = cell.interval(options.confidence)
    values = (
        cell.scheme,
        options.fault_model,
        cell.rate,
        len(cell.outcomes),
        interval.mean,
        interval.low,
        interval.high,
        min(cell.accuracies),
        reference - interval.mean,
        cell.mean("corrected"),
        cell.mean("detected"),
        cell.mean("silent"),
        extra.get(cell.scheme, 0),
    )
    return dict(zip(CAMPAIGN, values, strict=True))


def _quantile_row(cell: Cell, options: FaultOptions) -> dict[str, Any]:
    names = [f"accuracy_q{100 * q:02.0f}" for q in QUANTILES]
    return {
        "scheme": cell.scheme,
        "rate": cell.rate,
        "trials": len(cell.outcomes),
        **dict(zip(names, cell.quantiles(), strict=True)),
        "accuracy_best": max(cell.accuracies),
        "flips": cell.mean("flips"),
    }


def _rate_row(rate: float, fit_per_mbit: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"rate": rate, "memory": memory_of(rate)}
    if fit_per_mbit is not None:
        row["years_to_gather"] = rate / flips_per_bit_hour(fit_per_mbit) / HOURS["1 year"]
    return row


def _trial_rows(cell: Cell) -> list[dict[str, Any]]:
    return [
        {"scheme": cell.scheme, "rate": cell.rate, "trial": trial, **vars(outcome)}
        for trial, outcome in enumerate(cell.outcomes)
    ]


def _scheme_row(scheme: Scheme, clean: float) -> dict[str, Any]:
    return {
        "scheme": scheme.label,
        "summary": scheme.summary,
        "unit": scheme.unit,
        "units": scheme.units,
        "weight_bytes": scheme.size,
        "extra_bytes": scheme.extra_bytes,
        "extra_percent": 100 * scheme.extra_bytes / scheme.size,
        "golden_bytes": scheme.golden_bytes,
        "clean_accuracy": clean,
    }


def _differences(cells: Sequence[Cell], confidence: float) -> list[dict[str, Any]]:
    """Compare in-place protection, or else the first scheme, with all others, trial by trial."""
    labels = list(dict.fromkeys(cell.scheme for cell in cells))
    base = "in_place" if "in_place" in labels else labels[0]
    at = {(cell.scheme, cell.rate): cell for cell in cells}
    rows = []
    for rate in dict.fromkeys(cell.rate for cell in cells):
        for label in labels:
            if label != base:
                interval, pairs = difference(at[base, rate], at[label, rate], confidence)
                ends = {"low": interval.low, "mean": interval.mean, "high": interval.high}
                rows.append({"scheme": base, "minus": label, "rate": rate, "trials": pairs, **ends})
    return rows


def _scrubbing(schemes: Sequence[Scheme], fit_per_mbit: float) -> list[dict[str, Any]]:
    rows = []
    for scheme in schemes:
        if scheme.name == "none":
            hours = mean_hours_unprotected(8 * scheme.size, fit_per_mbit)
            rows.append(
                {"scheme": "none", "scrub_every": "never", "mean_years_to_loss": hours / HOURS["1 year"]}
            )
        elif scheme.label in _BITS_A_BLOCK:
            for name, period in HOURS.items():
                bits = _BITS_A_BLOCK[scheme.label]
                hours = mean_hours_to_loss(scheme.units, bits, fit_per_mbit, period)
                years = {"mean_years_to_loss": hours / HOURS["1 year"]}
                rows.append({"scheme": scheme.label, "scrub_every": name, **years})
    return rows


def _period_row(scheme: Scheme, fit_per_mbit: float, mttf_years: float) -> dict[str, Any]:
    """Return how often to scrub; infinite hours: the memory lasts as long without any."""
    wanted = mttf_years * HOURS["1 year"]
    hours = scrub_period(scheme.units, _BITS_A_BLOCK[scheme.label], fit_per_mbit, wanted)
    return {"scheme": scheme.label, "mttf_years": mttf_years, "scrub_every_hours": hours}


def _median_ms(work: Any, rounds: int) -> float:
    work()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return 1e3 * float(np.median(took))
