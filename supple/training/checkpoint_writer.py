"""Writes checkpoints in the background: training goes on while the copy that was taken of it is written out."""

from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

from supple.training.checkpoint import Checkpoint, save_checkpoint


class CheckpointWriter:
    """Writes one checkpoint at a time into a folder. As a context manager it waits for the last one at the end.

    A thread, not a process: writing, summing up and flushing leave Python's interpreter to the training.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.wait()
        elif self._thread is not None:
            # What ended the training matters more than what may go wrong here.
            self._thread.join()

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint, whose tensors nobody else may change; wait for an earlier one first.

        Raises `SuppleError` where the earlier one could not be written.
        """
        self.wait()
        self._thread = Thread(target=self._write, args=(checkpoint,), name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was begun is written. Raises `SuppleError` where it could not be."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, checkpoint: Checkpoint) -> None:
        try:
            save_checkpoint(self._folder, checkpoint, self._keep)
        except BaseException as error:
            self._error = error
