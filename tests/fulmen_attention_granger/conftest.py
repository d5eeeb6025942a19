"""What fresh processes of these tests run is importable by name: ``from plain_systems import ...``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
