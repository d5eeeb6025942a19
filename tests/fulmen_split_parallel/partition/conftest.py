"""The toys of these tests are importable by name: ``from partition_toys import ...``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
