"""What a training run tells while it goes on: events, and the file of JSON lines that keeps them."""

import json
import math
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from supple.errors import SuppleError
from supple.storage.files import cause, open_regular, replaced_atomically

if TYPE_CHECKING:
    import torch

LOG_FILE = "training.jsonl"
# A line of ours takes some hundred bytes; what is longer is none.
_MAX_LINE_BYTES = 1024 * 1024


class EventKind(StrEnum):
    """What an event is about: a step, an update that was skipped, a finished epoch, or anything worth a line."""

    STEP = "step"
    SKIP = "skip"
    EPOCH = "epoch"
    NOTE = "note"


@dataclass(frozen=True)
class Event:
    """What is to be told after `step` steps, in epoch `epoch` (counted from 1).

    The names of figures are free; the trainer's are `loss_largest`, `loss_smallest`, `learning_rate`, `images_per_s`,
    `seconds` since the run began, `memory_bytes` (see `peak_memory_bytes`), and the metrics of an epoch.
    """

    kind: EventKind
    step: int
    epoch: int
    figures: Mapping[str, float | None] = field(default_factory=dict)
    text: str | None = None


class Sink(Protocol):
    """Where events go."""

    def write(self, event: Event) -> None:
        """Keep an event. Raises `SuppleError` where it cannot be kept."""

    def close(self) -> None:
        """End the log."""


class EventLog:
    """Hands events on to all sinks; of the events of steps at most one per `step_seconds`."""

    def __init__(self, sinks: Iterable[Sink], step_seconds: float) -> None:
        self._sinks = tuple(sinks)
        self._step_seconds = step_seconds
        self._last_step = -math.inf

    def wants_step(self) -> bool:
        """Say whether it is time for the event of a step: ask before its figures are worked out."""
        return bool(self._sinks) and time.monotonic() - self._last_step >= self._step_seconds

    def write(self, event: Event) -> None:
        """Keep an event; that of a step only where it is time for one."""
        if event.kind is EventKind.STEP:
            if not self.wants_step():
                return
            self._last_step = time.monotonic()
        for sink in self._sinks:
            sink.write(event)

    def close(self) -> None:
        """End all sinks."""
        for sink in self._sinks:
            sink.close()


class JsonLines:
    """The log as a file of one JSON object per line, to be read while training goes on (`tail -f`).

    A run that resumes goes on from its checkpoint, so lines of later steps are cut off, and come again: each step and
    each epoch stands there once. So is a last line that a crash left torn.
    """

    def __init__(self, path: Path, step: int = 0, finished_epochs: int = 0) -> None:
        """Open the log of a run that stands after `step` steps. Raises `SuppleError` where it cannot be written."""
        self._path = path
        try:
            if path.exists():
                _cut(path, step, finished_epochs)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, event: Event) -> None:
        """Append a line, at once. Raises `SuppleError` where it cannot be written, as on a full disk."""
        line = json.dumps(_content(event), allow_nan=False).encode() + b"\n"
        try:
            # Without a buffer a full disk may take a part of the line without an error, and refuses the rest.
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> SuppleError:
        return SuppleError(f'Could not write "{self._path}": {cause(error)}.')


def peak_memory_bytes(device: "torch.device") -> int:
    """Return the most memory that the process has had: on a GPU that of PyTorch's tensors, else all of its own."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux's getrusage would give the peak of the process that started this one, where that was higher.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024


def _content(event: Event) -> dict[str, object]:
    # JSON has no number that is not finite.
    figures = {
        name: value if value is not None and math.isfinite(value) else None for name, value in event.figures.items()
    }
    text = {} if event.text is None else {"text": event.text}
    return {"kind": event.kind.value, "step": event.step, "epoch": event.epoch, **figures, **text}


def _cut(path: Path, step: int, finished_epochs: int) -> None:
    """Leave of a log what was told up to a step; the file stays as it is where that is all of it."""
    if all(_is_before(line, step, finished_epochs) for line in _lines(path)):
        return
    with replaced_atomically(path) as temporary, temporary.open("wb") as file:
        file.writelines(line for line in _lines(path) if _is_before(line, step, finished_epochs))


def _lines(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        while line := file.readline(_MAX_LINE_BYTES):
            yield line


def _is_before(line: bytes, step: int, finished_epochs: int) -> bool:
    """Say whether a whole line of the log is of a time before the end of a step, or of one of the finished epochs."""
    try:
        event: Any = json.loads(line)
        # A checkpoint may stand between the last step of an epoch and the epoch's own line.
        in_time = event["step"] <= step and (event["kind"] != EventKind.EPOCH or event["epoch"] <= finished_epochs)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return line.endswith(b"\n") and in_time
