"""How fast a machine does each kind of work that a step is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from fulmen_split_parallel.planning.errors import PlanError


@dataclass(frozen=True)
class Rates:
    """Of one rank; all above 0, but for the two waiting times, which may be 0.

    Attributes:
        sample: In-edges drawn and relabelled a second.
        load: Bytes of feature rows gathered a second.
        multiply: Floating-point operations of matrix products a second.
        aggregate: Bytes of source rows that a convolution reads and adds a second.
        layer_seconds: That a layer takes however small it is, forward and backward (launching kernels).
        link_latency: Seconds that an exchange takes however little is sent (alpha).
        link_bandwidth: Bytes a second from a rank to the others (1 / beta).
    """

    sample: float
    load: float
    multiply: float
    aggregate: float
    layer_seconds: float
    link_latency: float
    link_bandwidth: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            fits = value >= 0 if name in ("layer_seconds", "link_latency") else value > 0
            if not (fits and math.isfinite(value)):
                raise PlanError(f"rates: {name} is {value}; expected a finite number above 0")


RATES = tuple(field.name for field in fields(Rates))


def require_known(given: Mapping[str, float]) -> None:
    """Refuse rates that there are not.

    Raises:
        PlanError: names the first, and those that there are.
    """
    if unknown := [name for name in given if name not in RATES]:
        raise PlanError(f"rates: there is no {unknown[0]!r}; expected some of {', '.join(RATES)}")
