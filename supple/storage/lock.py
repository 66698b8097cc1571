"""A lock on a folder that one process holds and that the system takes back when that process ends, however it ends."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from supple.errors import SuppleError
from supple.storage.files import cause, remove_temporaries

LOCK_NAME = ".lock"

_held: set[int] = set()


def _let_go_in_child() -> None:
    # The lock belongs to the open file, which a forked child shares: a worker that outlives its parent would keep it.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


class RunLock:
    """Holds a folder for one writer: `with RunLock(folder): ...`.

    A second holder, in another process or in this one, gets a `SuppleError` that names the first one's process. Whoever
    gets the lock also deletes the temporary files that an earlier, killed writer left in the folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._descriptor: int | None = None

    def __enter__(self) -> "RunLock":
        path = self.folder / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise SuppleError(f'Could not lock "{self.folder}": {cause(error)}.') from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace")
            os.close(descriptor)
            named = f"process {holder}" if holder.isdecimal() else "another process"
            raise SuppleError(
                f'"{self.folder}" is in use by {named}: wait until it ends, or use another folder.'
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise SuppleError(f'Could not lock "{self.folder}": {cause(error)}.') from error
        _held.add(descriptor)
        self._descriptor = descriptor
        remove_temporaries(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # In a forked child the descriptor is closed already, and its number may belong to another file by now.
        if self._descriptor in _held:
            _held.discard(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = None
