"""A report: what an analysis found, as data; saved and loaded as a folder of plain files."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.artifacts import artifact_folder
from fulmen.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


@dataclass
class Report:
    """What an analysis found.

    Attributes:
        title: A headline.
        scalars: Named figures, ``"accuracy/in_place/0.01"``; NaN and infinity allowed. Searches can
            aim at them.
        tables: Name to DataFrame; the index is not kept, so make it a column.
        figures: Name to matplotlib Figure. A loaded report has none: the pictures are files.
        arrays: Name to numpy array (no objects).
        findings: Sentences for people, the most important first.
    """

    title: str = ""
    scalars: dict[str, float] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    arrays: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
