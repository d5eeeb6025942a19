"""Messages on a stream of bytes: a mark, a length, the text. What is not that is told as garbage."""

from __future__ import annotations

import os
import struct

from fulmen.engines.wire import MOST_BYTES

_HEADER = struct.Struct("!4sI")
_MARK = b"flm1"


class Garbage(ValueError):  # noqa: N818 - what was read, not what went wrong with reading
    """The stream holds what no worker of ours writes."""


def frame(text: bytes) -> bytes:
    """Return a message as it goes onto the stream."""
    return _HEADER.pack(_MARK, len(text)) + text


def write_all(descriptor: int, message: bytes) -> None:
    """Write a whole framed message; blocks."""
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]


class Reader:
    """Takes messages out of what arrives, however it was cut up."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add what arrived and return the messages that are complete.

        Raises:
            Garbage: the stream does not hold messages.
        """
        self._buffer += data
        messages = []
        while len(self._buffer) >= _HEADER.size:
            mark, length = _HEADER.unpack_from(self._buffer)
            if mark != _MARK or length > 2 * MOST_BYTES:
                raise Garbage(bytes(self._buffer[:20]))
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[_HEADER.size : end]))
            del self._buffer[:end]
        if self._buffer and not _MARK.startswith(bytes(self._buffer[:4])) and self._buffer[:4] != _MARK:
            raise Garbage(bytes(self._buffer[:20]))
        return messages
