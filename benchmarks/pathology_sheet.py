"""A contact sheet of synthetic patches, for the docs: both settings, none to nine lymphocytes.

python benchmarks/pathology_sheet.py      # writes docs/images/synthetic_til.png
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from pathology_patches import SETTINGS
from PIL import Image

import fulmen
from fulmen_evolution.tissue import draw_patch

FILE = Path(__file__).resolve().parent.parent / "docs" / "images" / "synthetic_til.png"
LYMPHOCYTES = (0, 0, 1, 1, 2, 2, 4, 9)
GAP = 4


def main() -> None:
    """Draw a row a setting, white between the patches; 200 colours, which keeps the file small."""
    rows = []
    for settings in SETTINGS.values():
        drawn = (
            draw_patch(fulmen.keyed_generator(0, "contact sheet", place), settings, count)[0]
            for place, count in enumerate(LYMPHOCYTES)
        )
        framed = [np.pad(patch, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for patch in drawn]
        rows.append(np.concatenate(framed, axis=1))
    sheet = Image.fromarray(np.concatenate(rows)[:-GAP, :-GAP])
    buffer = io.BytesIO()
    sheet.quantize(200, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    fulmen.write_artifact(FILE, buffer.getvalue())
    print(f"{FILE}: {len(buffer.getvalue()) / 1000:.0f} KB")


if __name__ == "__main__":
    main()
