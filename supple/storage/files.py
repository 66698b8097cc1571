"""Writing files atomically, reading them with a bound, and their SHA-256 sums.

A file is written under a temporary name in its own folder, flushed to the disk, and only then given its name. So a
reader, also after a crash or on a full disk, sees either the earlier file or the whole new one.
"""

import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supple.errors import SuppleError

TEMPORARY_PREFIX = ".supple-temporary-"


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path`, wholly or not at all.

    Raises `SuppleError`, naming the path and the cause, where it cannot be written; the earlier file then still stands.
    """
    content = data.encode() if isinstance(data, str) else data
    with replaced_atomically(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replaced_atomically(path: Path | str) -> Iterator[Path]:
    """Give the body a temporary path to write to; when the body ends without an error, that file becomes `path`.

    Raises `SuppleError` for any `OSError`; whatever is raised, no temporary file stays behind. Only a failure to flush
    the folder, the very last step, can be raised with the new file already in place.
    """
    target = Path(path)
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
        flush(target.parent)
    except OSError as error:
        raise SuppleError(f'Could not write "{target}": {cause(error)}.') from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Delete the temporary files that a killed process left in the folder. Only its one writer may call this."""
    for leftover in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):
            leftover.unlink()


def flush(path: Path) -> None:
    """Wait until the file's content, or the folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 sum of a file's content as 64 hexadecimal digits. Raises `SuppleError` where unreadable."""
    with open_regular(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most `max_bytes`. Raises `SuppleError` where it is larger or unreadable."""
    with open_regular(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SuppleError(f'"{path}" is larger than the {max_bytes:,} bytes that such a file can have.')
    return data


@contextmanager
def open_regular(path: Path) -> Iterator[io.BufferedReader]:
    """Open an ordinary file for reading; every `OSError`, also one in the body, becomes a `SuppleError`."""
    try:
        # Not blocking: to open a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SuppleError(f'"{path}" is not a file.')
        with os.fdopen(descriptor, "rb") as file:
            yield file
    except OSError as error:
        raise SuppleError(f'Could not read "{path}": {cause(error)}.') from error
    except ValueError as error:  # A name with a zero byte, or one that the file system cannot spell.
        raise SuppleError(f"Could not read {str(path)!r}: {error}.") from error


def cause(error: OSError) -> str:
    """Return what went wrong, in the system's words and without the path: "No space left on device"."""
    return error.strerror or str(error)
