"""The programs that were uploaded to a worker: files in a folder of its own, by digest, those used last."""

import hashlib
import os
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")


class UploadError(Exception):
    """An upload is not what it says; the text says why."""


def is_digest(text: str) -> bool:
    """Return whether a text is a SHA-256 sum as supple writes it: nothing else becomes the name of a file."""
    return _DIGEST.fullmatch(text) is not None


class ProgramStore:
    """Keeps up to `most_bytes` of programs in a temporary folder; what was used longest ago goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="supple-worker-"))
        self._most_bytes = most_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def lacking(self, digests: Iterable[str]) -> list[str]:
        """Return which of these are not here; the others count as used now."""
        wanted = list(digests)
        for digest in wanted:
            if digest in self._sizes:
                self._sizes.move_to_end(digest)
        return [digest for digest in wanted if digest not in self._sizes]

    def content(self, digest: str) -> bytes:
        """Return the content of a program. Raises `OSError` where it is not here any more."""
        return (self._folder / digest).read_bytes()

    async def add(self, digest: str, chunks: AsyncIterator[bytes], most_bytes: int) -> None:
        """Write a program as it comes in. Raises `UploadError` where it is too large or has another digest."""
        if not is_digest(digest):
            raise UploadError("the name of a program is its SHA-256 sum")
        descriptor, temporary = tempfile.mkstemp(dir=self._folder)
        try:
            size, found = 0, hashlib.sha256()
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most_bytes:
                        raise UploadError(f"it is larger than {most_bytes} bytes")
                    found.update(chunk)
                    file.write(chunk)
            if found.hexdigest() != digest:
                raise UploadError("its content is not what its digest says")
            Path(temporary).rename(self._folder / digest)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._sizes[digest] = size
        self._make_room(digest)

    def _make_room(self, newest: str) -> None:
        for digest in [digest for digest in self._sizes if digest != newest]:
            if sum(self._sizes.values()) <= self._most_bytes:
                break
            del self._sizes[digest]
            (self._folder / digest).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
