"""The (64, 57) code in place: ``encode``, ``decode`` and ``scrub_`` for rows of 8 weights.

columns.py       the code by its numbers, with its proof
kernels.py       its compiled loops over 64-bit words
rows.py          the calls above
arena.py         the same on whole arenas, in place, in threads
torch_code.py    the same for rows on any device, in plain torch
floats.py        codes for the numbers that stay floating-point
hsiao.py         the (72, 64) code of ordinary ECC memory
concealment.py   what a block with two wrong bits most likely held
"""

from fulmen_zero_space_ecc.code.rows import decode, encode, scrub_

__all__ = ["decode", "encode", "scrub_"]
