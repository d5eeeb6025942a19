"""The error of the file readers, which know nothing of fulmen."""

from __future__ import annotations

MAX_BYTES = 2**33  # 8 GiB: everything is held in memory, so a larger claim is a damaged or hostile header
DEFLATE_RATIO = 1032  # zlib cannot pack more than this into one byte (zlib's technical details)


class FormatError(Exception):
    """A file is not what its name says: one line with the file, what was found, expected, and the remedy."""

    def __init__(self, message: str) -> None:
        # Names inside a hostile archive may hold line breaks and terminal codes.
        super().__init__("".join(c if c.isprintable() else "?" for c in message))


def check_claim(where: str, claimed: int, packed: int) -> None:
    """Refuse a header that claims more than its file can hold, before anything is allocated.

    Args:
        where: The file, for the message.
        claimed: Bytes that the header promises, >= 0.
        packed: Bytes in the file, packed or not, >= 0.

    Raises:
        FormatError: the claim is impossible, or above 8 GiB.
    """
    if claimed > max(packed, 1) * DEFLATE_RATIO:
        raise FormatError(
            f"{where}: the header claims {claimed:,} bytes, the file has {packed:,}; "
            f"expected at most {DEFLATE_RATIO} for each: fetch the file anew."
        )
    if claimed > MAX_BYTES:
        raise FormatError(
            f"{where}: holds {claimed:,} bytes; expected at most {MAX_BYTES:,}, for all are held in memory: "
            "take fewer or smaller images."
        )
