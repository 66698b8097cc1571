"""A short lock among processes that leaves no file behind: on a folder, taken back when its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supple.errors import SuppleError
from supple.storage.files import cause


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold a folder; others that lock it in this way wait. Raises `SuppleError` where there is no such folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SuppleError(f'Could not lock "{folder}": {cause(error)}.') from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
