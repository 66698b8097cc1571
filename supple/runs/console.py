"""Progress for a person: live bars on a terminal, plain lines elsewhere. Neither ever stops the work that it shows."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TextIO, cast

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from supple.progress import Picture
from supple.report import wording

Clock = Callable[[], float]
Figures = dict[str, float | str]

# No thread redraws the bars: a measurement that runs meanwhile must not be disturbed.
SECONDS_BETWEEN_DRAWINGS = 0.25
SECONDS_BETWEEN_LINES = 5.0
_LINES_BESIDE_PICTURE = 3


def console_progress(stream: TextIO | None = None) -> "LiveProgress | PlainProgress":
    """Return the listener that suits the stream (default: standard error, so that a pipe gets only results).

    Live bars need a terminal, and neither `NO_COLOR` nor `TERM=dumb`. Use it as a context manager, so that the terminal
    is left in order after an error too: `with console_progress() as progress: ...`.
    """
    stream = sys.stderr if stream is None else stream
    plain = not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return PlainProgress(stream) if plain else LiveProgress(Console(file=unbreakable(stream)))


class PlainProgress:
    """Shows a stage as lines: one at its start, at most one every few seconds, one at its end."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = unbreakable(stream)
        self._clock = clock
        self._stage: _Stage | None = None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stage = None

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        """Show that the stage begins."""
        now = self._clock()
        self._stage = _Stage(stage, total, unit, done, now)
        self._next_line = now + SECONDS_BETWEEN_LINES
        self.say(f"{stage}: {total:,} {unit}" + (f", {done:,} of them done before" if done else ""))

    def advance(self, units: int = 1, **figures: float | str) -> None:
        """Count finished units; show where the stage stands if the last line is long ago."""
        if self._stage is None:
            return
        now = self._clock()
        self._stage.advance(units, figures)
        if now >= self._next_line and self._stage.done < self._stage.total:
            self._next_line = now + SECONDS_BETWEEN_LINES
            self.say(self._stage.line(now))

    def picture(self, draw: Picture) -> None:
        """Ignore it: lines that follow one another hold no picture that moves."""

    def say(self, line: str) -> None:
        """Show one line of text."""
        self._stream.write(line + "\n")
        self._stream.flush()

    def finish(self) -> None:
        """Show how far the stage came, and how long it took."""
        if self._stage is not None:
            self.say(self._stage.last_line(self._clock()))
            self._stage = None


class _Stage:
    """What is known of a stage: how far it is, its figures, since when."""

    def __init__(self, name: str, total: int, unit: str, done: int, began: float) -> None:
        self.name, self.total, self.unit, self.done, self.began = name, total, unit, done, began
        self._done_before = done
        self._figures: Figures = {}

    def advance(self, units: int, figures: Figures) -> None:
        self.done += units
        self._figures |= figures

    def line(self, now: float) -> str:
        here = self.done - self._done_before
        left = (now - self.began) / here * (self.total - self.done) if here else 0.0
        percent = f" ({100 * self.done // self.total} %)" if self.total else ""
        parts = [f"{self._count()}{percent}", *figure_texts(self._figures), f"{duration(left)} left" if left else ""]
        return f"{self.name}: {', '.join(part for part in parts if part)}"

    def last_line(self, now: float) -> str:
        parts = [f"{self._count()} in {duration(now - self.began)}", *figure_texts(self._figures)]
        return f"{self.name}: {', '.join(parts)}"

    def _count(self) -> str:
        return f"{self.done:,}/{self.total:,} {self.unit}"


class _Bars(Progress):
    """Bars below a picture, which is drawn when they are, and left out where the terminal is too low for both."""

    picture: Picture | None = None

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield the picture and the bars."""
        drawn = self.picture(self.console.width) if self.picture is not None else ""
        if drawn and self.console.height > len(drawn.splitlines()) + _LINES_BESIDE_PICTURE:
            yield Text(drawn, no_wrap=True, overflow="crop")
        yield self.make_tasks_table(self.tasks)


class LiveProgress:
    """Shows a stage as a bar that moves, with its figures and the time left; a finished stage's bar stays.

    A picture of where the stage stands is drawn above the bar, whenever that is.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bars: _Bars | None = None
        self._task = TaskID(0)
        self._figures: Figures = {}
        self._next_drawing = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish()

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        """Show a bar for the stage. The bar of a stage that never finished stays where it stood."""
        self.finish()
        self._figures = {}
        self._bars = _Bars(
            _FieldColumn(lambda task: task.description),
            BarColumn(bar_width=20),
            _FieldColumn(lambda task: f"{int(task.completed):,}/{int(task.total or 0):,} {unit}"),
            _FieldColumn(lambda task: " · ".join(figure_texts(self._figures))),
            _FieldColumn(lambda task: duration(task.elapsed or 0)),
            _FieldColumn(lambda task: f"{duration(task.time_remaining)} left" if task.time_remaining else ""),
            console=self._console,
            auto_refresh=False,
            # What is printed meanwhile goes above the bar; but what goes into a pipe must stay there.
            redirect_stdout=sys.stdout.isatty(),
            get_time=self._clock,
        )
        self._task = self._bars.add_task(stage, total=total, completed=done)
        self._bars.start()
        self._bars.refresh()
        self._next_drawing = self._clock() + SECONDS_BETWEEN_DRAWINGS

    def advance(self, units: int = 1, **figures: float | str) -> None:
        """Move the bar."""
        if self._bars is None:
            return
        self._figures |= figures
        self._bars.advance(self._task, units)
        if self._clock() >= self._next_drawing:
            self._bars.refresh()
            self._next_drawing = self._clock() + SECONDS_BETWEEN_DRAWINGS

    def picture(self, draw: Picture) -> None:
        """Let this picture be the one that is drawn with the bar from now on."""
        if self._bars is not None:
            self._bars.picture = draw

    def say(self, line: str) -> None:
        """Show one line of text, above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def finish(self) -> None:
        """Leave the bar as it stands, and give the terminal back."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class _FieldColumn(ProgressColumn):
    """A column of plain text: a stage's name or figure may hold what rich would take for markup."""

    def __init__(self, text_of: Callable[[Task], str]) -> None:
        super().__init__()
        self._text_of = text_of

    def render(self, task: Task) -> Text:
        return Text(self._text_of(task), no_wrap=True, overflow="ellipsis")


def unbreakable(stream: TextIO) -> TextIO:
    """Return the stream as one that falls silent when it breaks: a closed terminal must not end a run of hours."""
    return cast(TextIO, _Unbreakable(stream))


class _Unbreakable:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # A value error: the stream is closed.
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return


def figure_texts(figures: Figures) -> list[str]:
    """Return each figure as a person reads it: `images_per_s=5431.2` as "5,431 images/s", `loss=1.5` as "loss 1.5"."""
    return [_figure_text(name, value) for name, value in figures.items()]


def _figure_text(name: str, value: float | str) -> str:
    if isinstance(value, str):
        shown = value
    elif name.endswith("_per_s") and abs(value) >= 100:
        shown = f"{value:,.0f}"
    else:
        shown = f"{value:.4g}"
    if name.endswith("_per_s"):
        return f"{shown} {name.removesuffix('_per_s').replace('_', ' ')}/s"
    return f"{name.replace('_', ' ')} {shown}"


def duration(seconds: float) -> str:
    """Return a time in the two units that matter: "3.2 s", "2 min 10 s", "5 h 3 min"."""
    return f"{seconds:.1f} s" if seconds < 10 else wording.duration(seconds)
