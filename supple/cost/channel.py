"""Messages between a process and its child over a pair of pipes: JSON, and bytes behind it; nothing is unpickled.

A message is its length in four bytes, so many bytes of JSON (one object), and then the bytes that the object's `size`
announces. Whoever reads trusts neither: lengths are limited, and a deadline ends every wait.
"""

import json
import math
import os
import select
import struct
import time
from collections.abc import Mapping

from supple.errors import SuppleError
from supple.storage.json_files import parse_json

Message = dict[str, object]
"""One message without the bytes behind it."""

FOREVER = math.inf
_LENGTH = struct.Struct(">I")
_LONGEST_MESSAGE = 2**20
_LARGEST_CHUNK = 2**20


class ChannelError(Exception):
    """The other end is gone, silent, or does not speak the protocol; the text says which."""


class SilenceError(ChannelError):
    """The other end did not answer, or did not read, in time."""


class Channel:
    """One end: two file descriptors, of which one is read and one is written."""

    def __init__(self, reading: int, writing: int, largest_content: int = 0) -> None:
        """Take two pipes over. `largest_content`: how many bytes the other end may send behind a message."""
        self.reading = reading
        self.writing = writing
        self._largest_content = largest_content
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)

    def send(self, message: Mapping[str, object], content: bytes = b"", seconds: float = FOREVER) -> None:
        """Send a message. Raises `ChannelError`, and `SilenceError` where the other end does not read it in time."""
        text = json.dumps({**message, "size": len(content)}, allow_nan=False).encode()
        deadline = time.monotonic() + seconds
        self._write(_LENGTH.pack(len(text)) + text, deadline)
        self._write(content, deadline)

    def receive(self, seconds: float = FOREVER) -> tuple[Message, bytes]:
        """Wait for a message. Raises `ChannelError`, and `SilenceError` where none has come, as a whole, in time."""
        deadline = time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > _LONGEST_MESSAGE:
            raise ChannelError(f"announced a message of {length} bytes")
        message = parse_message(self._read(length, deadline))
        size = message.pop("size", None)
        if type(size) is not int or not 0 <= size <= self._largest_content:
            raise ChannelError(f"announced a content of {size!r} bytes")
        return message, self._read(size, deadline)

    def close(self) -> None:
        """Close both pipes: the other end sees it."""
        os.close(self.reading)
        os.close(self.writing)

    def _read(self, count: int, deadline: float) -> bytes:
        parts = []
        while count:
            _wait(self.reading, select.POLLIN, deadline)
            try:
                part = os.read(self.reading, min(count, _LARGEST_CHUNK))
            except OSError as error:
                raise ChannelError(f"could not be read ({error.strerror})") from error
            if not part:
                raise ChannelError("closed the connection")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _write(self, content: bytes, deadline: float) -> None:
        rest = memoryview(content)
        while rest:
            _wait(self.writing, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self.writing, rest[:_LARGEST_CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelError(f"closed the connection ({error.strerror})") from error


def parse_message(text: bytes) -> Message:
    """Return the object that the JSON text is. Raises `ChannelError` where it is none."""
    try:
        message = parse_json(text, "the message")
    except SuppleError as error:
        raise ChannelError(f"sent what cannot be read: {error}") from error
    if not isinstance(message, dict):
        raise ChannelError("sent a message that is no JSON object")
    return message


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    remaining = deadline - time.monotonic()
    if remaining <= 0 or not poll.poll(None if math.isinf(remaining) else math.ceil(1000 * remaining)):
        raise SilenceError("was silent for too long")
