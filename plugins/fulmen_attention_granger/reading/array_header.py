"""The header of a .npy file, read before anything is allocated for what it promises."""

from __future__ import annotations

import math
import tokenize
from typing import IO

import numpy as np

from fulmen_attention_granger.recordings import RecordingError

DAMAGE = (ValueError, SyntaxError, tokenize.TokenError, EOFError, OSError)  # what numpy raises on bad headers


def check_header(file: IO[bytes], where: str, size: int) -> None:
    """Refuse an array of Python objects, or one whose header promises another size than follows it.

    Args:
        file: Positioned at the array's first byte; is read up to the end of the header.
        where: The file and member, for messages.
        size: Bytes from there to the end.

    Raises:
        RecordingError: as said.
        ValueError, EOFError, OSError: the header is damaged.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    start = 8 if version == (1, 0) else 12
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise RecordingError(
            f"{where}: holds Python objects, which would have to be unpickled and may run code; expected "
            "numbers, or text for names: save it with a dtype of those."
        )
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > size - start:
        raise RecordingError(
            f"{where}: the header promises {claimed:,} bytes for {shape} {dtype}, at most {size - start:,} "
            "follow: write the file anew."
        )
