"""Weights as the bytes that memory holds, and back: int8 with a scale, float32, bfloat16.

Whatever the format, the network computes in float32 with the values that the bytes stand for, so that
one change of a byte is one change of a weight.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_zero_space_ecc.campaign.faults import Bytes
from fulmen_zero_space_ecc.weights.quantization import LARGEST, quantize

NumberFormat = Literal["int8", "float32", "bfloat16"]
NUMBER_FORMATS: tuple[str, ...] = get_args(NumberFormat)
WORD = {"int8": 1, "float32": 4, "bfloat16": 2}

Floats = NDArray[np.float32]


def to_bytes(weight: Tensor, number_format: str, scale: Tensor | None = None) -> Bytes:
    """Return the bytes of a weight tensor in its contiguous order: uint8, shape (numel * word,).

    Args:
        weight: Floating point, any shape.
        number_format: One of `NUMBER_FORMATS`.
        scale: For int8, what one step is worth: float32, of a shape that broadcasts to the weight's.
    """
    weight = weight.detach().cpu()
    if number_format == "int8":
        assert scale is not None
        words = quantize(weight, scale.cpu()).clamp_(-LARGEST, LARGEST).to(torch.int8)
    elif number_format == "float32":
        words = weight.float()
    else:
        words = weight.to(torch.bfloat16).view(torch.int16)
    return words.contiguous().flatten().numpy().view(np.uint8).copy()


def to_values(content: Bytes, number_format: str, scale: Floats | None = None) -> Floats:
    """Return the float32 values of words.

    Args:
        content: uint8, shape (words * word,).
        number_format: One of `NUMBER_FORMATS`.
        scale: For int8, float32: one, or one per word.
    """
    if number_format == "int8":
        assert scale is not None
        return content.view(np.int8).astype(np.float32) * scale
    if number_format == "float32":
        return content.view("<f4")
    return (content.view("<u2").astype(np.uint32) << 16).view(np.float32)
