"""The protections that a campaign compares, one module each, under their names.

none.py             the weights alone
sign_extension.py   bit 6 of held weights read from bit 7, no code: the control
parity_zero.py      a parity bit per weight, wrong weights set to 0
ecc_72_64.py        ordinary ECC memory, with and without a decoder that extends signs; hsiao.py, its code
in_place.py         this plugin's protection
mset.py             the most important bit three times, within the weight
triple.py           three copies
checksum_reload.py  CRC32C per 4 KiB and a trusted copy; crc32c.py, the sum
base.py             what they share
"""

from __future__ import annotations

from fulmen_zero_space_ecc.campaign.schemes.base import POLICIES, Arena, Decoded, Scheme
from fulmen_zero_space_ecc.campaign.schemes.checksum_reload import ChecksumReload
from fulmen_zero_space_ecc.campaign.schemes.ecc_72_64 import Ecc7264, Ecc7264SignExtended
from fulmen_zero_space_ecc.campaign.schemes.in_place import InPlace
from fulmen_zero_space_ecc.campaign.schemes.mset import MostSignificantTripled
from fulmen_zero_space_ecc.campaign.schemes.none import Unprotected
from fulmen_zero_space_ecc.campaign.schemes.parity_zero import ParityZero
from fulmen_zero_space_ecc.campaign.schemes.sign_extension import SignExtension
from fulmen_zero_space_ecc.campaign.schemes.triple import Triple

SCHEMES: dict[str, type[Scheme]] = {
    kind.name: kind
    for kind in (
        Unprotected,
        SignExtension,
        ParityZero,
        Ecc7264,
        Ecc7264SignExtended,
        InPlace,
        MostSignificantTripled,
        Triple,
        ChecksumReload,
    )
}

__all__ = ["POLICIES", "SCHEMES", "Arena", "Decoded", "Scheme", "build"]


def build(label: str, arena: Arena) -> Scheme:
    """Return a scheme by its label, ``name`` or ``name+policy``.

    Raises:
        ValueError: there is none of this name, or it cannot protect this arena in this way.
    """
    name, _, policy = label.partition("+")
    if name not in SCHEMES:
        raise ValueError(f"there is no scheme {name!r}; there are {', '.join(SCHEMES)}")
    return SCHEMES[name](arena, policy or "leave")
