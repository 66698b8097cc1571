"""What a training run tells while it goes on: to the person who waits, and to its logs."""

import time
from collections.abc import Mapping
from pathlib import Path

import torch

from supple.progress import Progress
from supple.training.history import EpochRow
from supple.training.log import LOG_FILE, Event, EventKind, EventLog, JsonLines, Sink, peak_memory_bytes
from supple.training.position import Position
from supple.training.tensorboard import TensorBoard

TENSORBOARD_FOLDER = "tensorboard"


class Watch:
    """Tells of steps, skipped updates and epochs; made when the run's position is known."""

    def __init__(self, progress: Progress, log: EventLog, device: torch.device) -> None:
        self._progress = progress
        self._log = log
        self._device = device
        self._last_step = time.monotonic()
        self._shown: dict[str, float | str] = {}

    def start(self, steps: int, position: Position) -> None:
        """Begin to tell of a run of `steps` steps."""
        self._progress.start("train", steps, "steps", position.step)
        self._last_step = time.monotonic()

    def step(
        self, position: Position, samples: int, losses: Mapping[str, float], learning_rate: float, seconds: float
    ) -> None:
        """Log a step that led to a position; `losses` are those of the members that are watched, by name."""
        now = time.monotonic()
        rate = samples / max(now - self._last_step, 1e-9)
        self._last_step = now
        self._shown = {name.removesuffix("_largest"): loss for name, loss in losses.items()}
        self._shown["images_per_s"] = rate
        if self._log.wants_step() or position.step == 1:
            memory = peak_memory_bytes(self._device)
            self._shown["memory"] = f"{memory / 1e9:.2f} GB"
            figures = {**losses, "learning_rate": learning_rate, "images_per_s": rate, "seconds": seconds}
            self._write(EventKind.STEP, position, {**figures, "memory_bytes": memory})

    def advance(self) -> None:
        """Tell that a step is over, and what it leaves behind is written."""
        self._progress.advance(1, **self._shown)

    def skipped(self, position: Position, line: str) -> None:
        """Tell of an update that was not made."""
        self._note(EventKind.SKIP, position, line)

    def note(self, position: Position, line: str) -> None:
        """Tell anything that is worth a line."""
        self._note(EventKind.NOTE, position, line)

    def epoch(self, row: EpochRow, metric: str, position: Position, epochs: int) -> None:
        """Tell of a finished epoch."""
        figures = {
            "loss_largest": row.loss_largest,
            "loss_smallest": row.loss_smallest,
            f"{metric}_largest": row.metric_largest,
            f"{metric}_smallest": row.metric_smallest,
            "macs": row.macs,
            "seconds": row.seconds,
        }
        self._log.write(Event(EventKind.EPOCH, row.step, row.epoch, figures))
        self._progress.say(
            f"Epoch {row.epoch} of {epochs}: validation {metric} {_shown(metric, row.metric_largest)} (largest), "
            f"{_shown(metric, row.metric_smallest)} (smallest)"
        )

    def finish(self) -> None:
        """End the stage."""
        self._progress.finish()

    def _note(self, kind: EventKind, position: Position, line: str) -> None:
        self._progress.say(line)
        self._write(kind, position, text=line)

    def _write(
        self, kind: EventKind, position: Position, figures: Mapping[str, float | None] = {}, text: str | None = None
    ) -> None:
        self._log.write(Event(kind, position.step, position.epoch + 1, figures, text))


def open_log(folder: Path | None, position: Position, step_seconds: float, tensorboard: bool) -> EventLog:
    """Return the log of a run, in its folder if it has one. Raises `SuppleError` where it cannot be written."""
    sinks: list[Sink] = []
    if folder is not None:
        sinks.append(JsonLines(folder / LOG_FILE, position.step, position.epoch))
        if tensorboard:
            sinks.append(TensorBoard(folder / TENSORBOARD_FOLDER, position.step))
    return EventLog(sinks, step_seconds)


def _shown(metric: str, value: float) -> str:
    return f"{value:.1%}" if "accuracy" in metric else f"{value:.4g}"
