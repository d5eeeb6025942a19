"""The options of `memory_faults`, checked at the door."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fulmen import UserError
from fulmen_zero_space_ecc.campaign.faults import FAULT_MODELS, Bursts, FaultModel, Rows, StuckAt
from fulmen_zero_space_ecc.campaign.number_formats import NUMBER_FORMATS, WORD
from fulmen_zero_space_ecc.campaign.running import Effort
from fulmen_zero_space_ecc.campaign.schemes import POLICIES, SCHEMES
from fulmen_zero_space_ecc.training.guards import require
from fulmen_zero_space_ecc.weights.placement import Layout

OWNER = "memory_faults"


@dataclass(frozen=True)
class FaultOptions:
    """What a campaign was asked to do; see `MemoryFaults` for each."""

    schemes: list[str] | None
    rates: list[float]
    fault_model: str
    number_format: str
    faults_in: str
    trials: int
    min_trials: int
    half_width: float | None
    confidence: float
    policies: list[str]
    layers: list[str] | None
    bits: list[int] | None
    burst_length: int
    burst_stride: int
    row_bytes: int
    stuck_value: int | None
    vulnerability_trials: int
    fit_per_mbit: float | None
    mttf_years: float
    stage: str
    images: int | None
    layout: Layout | None
    ignore: list[str] | None
    cache_mb: int
    measure_time: bool

    def check(self) -> None:
        """Raise a UserError for the first option that makes no sense."""
        for option, known in (
            ("fault_model", tuple(FAULT_MODELS)),
            ("number_format", NUMBER_FORMATS),
            ("faults_in", ("weights", "activations")),
            ("stage", ("test", "val")),
            ("layout", (None, "interleaved", "paper")),
            ("stuck_value", (None, 0, 1)),
        ):
            value = getattr(self, option)
            _require(
                option, value, value in known, f"one of {', '.join(str(k) for k in known if k is not None)}"
            )
        for option in ("trials", "burst_length", "burst_stride", "row_bytes"):
            value = getattr(self, option)
            _require(option, value, value >= 1, "1 or more")
        for option in ("vulnerability_trials", "cache_mb"):
            value = getattr(self, option)
            _require(option, value, value >= 0, "0 or more")
        _require("min_trials", self.min_trials, self.min_trials >= 2, "2 or more")
        _require("confidence", self.confidence, 0 < self.confidence < 1, "a number between 0 and 1")
        width = self.half_width
        _require("half_width", width, width is None or 0 < width < 1, "a number between 0 and 1, or none,")
        _require("images", self.images, self.images is None or self.images >= 1, "1 or more, or none,")
        fit = self.fit_per_mbit
        _require("fit_per_mbit", fit, fit is None or 0 < fit < float("inf"), "a positive number")
        _require("mttf_years", self.mttf_years, 0 < self.mttf_years < float("inf"), "a positive number")
        self._check_rates()
        self._check_names()
        self._check_bits()

    def _check_rates(self) -> None:
        _require("rates", self.rates, len(self.rates) > 0, "at least one rate")
        for rate in self.rates:
            _require("rates", self.rates, 0 <= rate <= 1, "a share of all bits, from 0 to 1, for each")
        _require("rates", self.rates, len(set(self.rates)) == len(self.rates), "each rate once")

    def _check_names(self) -> None:
        _require("policies", self.policies, len(self.policies) > 0, "at least one policy")
        _require_known("policies", self.policies, POLICIES)
        _require(
            "schemes", self.schemes, self.schemes is None or len(self.schemes) > 0, "at least one scheme"
        )
        _require_known("schemes", self.schemes or (), SCHEMES)
        for name in self.schemes or ():
            word = WORD[self.number_format]
            if word not in SCHEMES[name].words:
                raise UserError(
                    f"{OWNER}: scheme {name} protects int8 weights, number_format is {self.number_format}; "
                    "leave it out, or set number_format: int8."
                )
            if self.faults_in == "activations" and name != "none":
                raise UserError(
                    f"{OWNER}: scheme {name} protects weights, faults_in is activations; leave schemes away."
                )
        if self.faults_in == "activations" and self.vulnerability_trials:
            raise UserError(
                f"{OWNER}: vulnerability_trials is {self.vulnerability_trials}, faults_in is activations; "
                "it is measured for weights alone: set it to 0."
            )

    def _check_bits(self) -> None:
        _require("bits", self.bits, self.bits is None or len(self.bits) > 0, "at least one bit number")
        _require("layers", self.layers, self.layers is None or len(self.layers) > 0, "at least one layer")
        width = 8 * WORD[self.number_format]
        for bit in self.bits or ():
            _require("bits", self.bits, 0 <= bit < width, f"a number from 0 to {width - 1} for each")
        if self.bits is not None and self.fault_model in ("bursts", "rows"):
            raise UserError(
                f"{OWNER}: {self.fault_model} hit neighbouring bits, bits is {self.bits}; leave bits away, "
                "or set fault_model: independent."
            )

    def labels(self, boxed: bool) -> list[str]:
        """Return the labels of the schemes to try.

        Args:
            boxed: Whether held weights lie in [-64, 63].

        Raises:
            UserError: a named policy fits none of the schemes.
        """
        if self.faults_in == "activations":
            return ["none"]
        word = WORD[self.number_format]
        names = self.schemes
        if names is None:
            names = [
                name for name, kind in SCHEMES.items() if word in kind.words and (boxed or not kind.needs_box)
            ]
        labels = []
        for name in dict.fromkeys(names):
            for policy in self.policies:
                if policy == "leave":
                    labels.append(name)
                elif policy in SCHEMES[name].policies:
                    labels.append(f"{name}+{policy}")
            if name not in labels and not any(label.startswith(f"{name}+") for label in labels):
                labels.append(name)  # a scheme without a choice of policies
        for policy in self.policies:
            if policy != "leave" and not any(label.endswith(f"+{policy}") for label in labels):
                fitting = [name for name, kind in SCHEMES.items() if policy in kind.policies]
                raise UserError(
                    f"{OWNER}: policy {policy} is known to {', '.join(fitting)}, none of which is in "
                    "schemes; add one, or leave the policy out."
                )
        return labels

    def needs_box(self) -> bool:
        """Whether what was asked for needs weights held in [-64, 63]."""
        if self.faults_in == "activations" or self.number_format != "int8":
            return False
        return self.schemes is None or any(SCHEMES[name].needs_box for name in self.schemes)

    def build_fault_model(self) -> FaultModel:
        """Return the fault model with its options."""
        if self.fault_model == "bursts":
            return Bursts(self.burst_length, self.burst_stride)
        if self.fault_model == "rows":
            return Rows(self.row_bytes)
        if self.fault_model == "stuck_at":
            return StuckAt(self.stuck_value)
        return FAULT_MODELS[self.fault_model]()

    def effort(self) -> Effort:
        """Return how long to go on."""
        return Effort(self.trials, min(self.min_trials, self.trials), self.half_width, self.confidence)


def _require(option: str, value: Any, condition: bool, expected: str) -> None:
    require(option, value, condition, expected, OWNER)


def _require_known(option: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that there are not, and say which was meant."""
    names, values = list(known), list(values)
    for name in values:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        if name not in names:
            raise UserError(f"{OWNER}: {option} is {values}; each is one of {', '.join(names)}{meant}")
