"""Progress in a terminal and without one, with a clock that the test moves."""

import io
import re
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from supple.progress import Progress
from supple.runs.console import LiveProgress, PlainProgress, console_progress, duration, figure_texts, unbreakable


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Broken(Terminal):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        raise OSError(5, "Input/output error")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def live(clock: Clock, width: int = 120, height: int = 40) -> tuple[LiveProgress, Callable[[], str]]:
    """Return a live listener, and what its terminal was sent, without the codes for colours and the cursor."""
    terminal = Terminal()
    console = Console(file=terminal, width=width, height=height, force_terminal=True, color_system=None)
    return LiveProgress(console, clock), lambda: re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", terminal.getvalue())


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": ""}, {"TERM": "xterm"}])
def test_a_terminal_gets_live_bars(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert isinstance(console_progress(Terminal()), LiveProgress)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_asks_for_plain_text_gets_lines(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert isinstance(console_progress(Terminal()), PlainProgress)


def test_a_pipe_gets_lines() -> None:
    assert isinstance(console_progress(io.StringIO()), PlainProgress)


def test_standard_error_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    console_progress().say("hello")
    assert stream.getvalue() == "hello\n"


def test_plain_lines_come_at_the_start_every_few_seconds_and_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    progress: Progress = PlainProgress(stream, clock)
    progress.start("train", 400)
    for step in range(400):
        clock.now += 0.0625
        progress.advance(loss=1 / (step + 1), images_per_s=5431.2)
    progress.finish()
    assert stream.getvalue().splitlines() == [
        "train: 400 steps",
        "train: 80/400 steps (20 %), loss 0.0125, 5,431 images/s, 20 s left",
        "train: 160/400 steps (40 %), loss 0.00625, 5,431 images/s, 15 s left",
        "train: 240/400 steps (60 %), loss 0.004167, 5,431 images/s, 10 s left",
        "train: 320/400 steps (80 %), loss 0.003125, 5,431 images/s, 5.0 s left",
        "train: 400/400 steps in 25 s, loss 0.0025, 5,431 images/s",
    ]


def test_slow_units_get_a_line_each(clock: Clock) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.start("export", 3, unit="members")
    for _ in range(3):
        clock.now += 70
        progress.advance()
    progress.finish()
    assert stream.getvalue().splitlines() == [
        "export: 3 members",
        "export: 1/3 members (33 %), 2 min 20 s left",
        "export: 2/3 members (66 %), 1 min 10 s left",
        "export: 3/3 members in 3 min 30 s",
    ]


def test_the_time_left_does_not_count_what_was_done_before(clock: Clock) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.start("train", 1000, done=900)
    clock.now += 10
    progress.advance(20)
    assert stream.getvalue().splitlines() == [
        "train: 1,000 steps, 900 of them done before",
        "train: 920/1,000 steps (92 %), 40 s left",
    ]


def test_a_stage_that_ends_early_or_has_nothing_to_do_says_so(clock: Clock) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.start("search", 10, unit="trials")
    progress.advance(4)
    progress.finish()
    progress.start("export", 0, unit="members")
    clock.now += 10
    progress.advance(0)
    progress.finish()
    assert stream.getvalue().splitlines()[1:] == [
        "search: 4/10 trials in 0.0 s",
        "export: 0 members",
        "export: 0/0 members in 10 s",
    ]


def test_a_bar_shows_stage_steps_figures_and_time_left(clock: Clock) -> None:
    progress, shown = live(clock)
    progress.start("train", 100, done=10)
    for _ in range(30):
        clock.now += 1
        progress.advance(loss=0.5, images_per_s=5431.2)
    line = shown().split("\r")[-1]
    assert line.startswith("train ")
    assert re.search(r"40/100 steps loss 0\.5 · 5,431 images/s 30 s 1 min \d s left", line)
    progress.finish()


def test_the_bar_of_a_finished_stage_stays_full(clock: Clock) -> None:
    progress, shown = live(clock)
    progress.start("train", 2)
    clock.now += 0.1
    progress.advance()
    progress.advance(loss="low")
    progress.finish()
    last = shown().rstrip("\n").split("\r")[-1]
    assert "2/2 steps loss low" in last
    assert "left" not in last


def test_the_bar_is_not_drawn_more_than_four_times_a_second(clock: Clock) -> None:
    progress, shown = live(clock)
    progress.start("train", 10_000)
    before = len(shown())
    for _ in range(1000):
        clock.now += 0.0002
        progress.advance()
    assert len(shown()) == before
    clock.now += 0.25
    progress.advance()
    assert len(shown()) > before
    progress.finish()


def test_a_picture_is_drawn_above_the_bar_no_more_often_than_that_and_stays(clock: Clock) -> None:
    progress, shown = live(clock, width=60)
    drawn = []

    def draw(width: int) -> str:
        drawn.append(width)
        return f"[/b] {len(drawn)}\n* front"

    progress.start("search", 1000, "members")
    for _ in range(100):
        clock.now += 0.0002
        progress.advance()
        progress.picture(draw)
    assert drawn == []
    clock.now += 0.25
    progress.advance()
    assert drawn == [60]
    lines = shown().splitlines()
    assert lines[-3].endswith("[/b] 1")
    assert lines[-2].rstrip() == "* front"
    assert "101/1,000 members" in lines[-1]
    progress.finish()
    assert "[/b] 2" in shown()
    progress.start("export", 2)
    assert len(drawn) == 2


def test_a_terminal_that_is_too_low_for_the_picture_shows_the_bar_alone(clock: Clock) -> None:
    progress, shown = live(clock, height=12)
    progress.start("search", 2, "members")
    progress.picture(lambda width: "\n".join("picture" for _ in range(10)))
    progress.finish()
    assert "picture" not in shown()
    assert "0/2 members" in shown()


def test_lines_hold_no_picture(clock: Clock) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.start("search", 2, "members")
    progress.picture(lambda width: "picture")
    progress.finish()
    assert "picture" not in stream.getvalue()


def test_a_line_is_shown_above_the_bar_as_it_is(clock: Clock) -> None:
    progress, shown = live(clock)
    progress.say("[/nothing] is [bold]markup[/bold]")
    progress.start("read [/etc]", 2)
    progress.say("/a/path[1] " + "x" * 200)
    progress.advance(note="[/b]")
    progress.finish()
    assert "[/nothing] is [bold]markup[/bold]\n" in shown()
    assert "/a/path[1] " + "x" * 200 + "\n" in shown()
    assert "read [/etc]" in shown()
    assert "note [/b]" in shown()


def test_a_narrow_terminal_keeps_the_bar_in_one_line(clock: Clock) -> None:
    progress, shown = live(clock, width=40)
    progress.start("train the whole family", 1000)
    clock.now += 1
    progress.advance(loss=0.5, images_per_s=5431.2)
    progress.finish()
    assert all(len(line) <= 40 for line in re.split(r"[\r\n]", shown()))


def test_the_terminal_is_given_back_after_an_error(clock: Clock) -> None:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True)

    def fail() -> None:
        with LiveProgress(console, clock) as progress:
            progress.start("train", 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert terminal.getvalue().rfind("\x1b[?25h") > terminal.getvalue().rfind("\x1b[?25l")  # The cursor shows again.
    assert sys.stdout is not console.file


def test_a_stage_that_never_finished_gives_way_to_the_next(clock: Clock) -> None:
    progress, shown = live(clock)
    progress.start("train", 2)
    progress.start("search", 3, unit="trials")
    progress.finish()
    assert "0/3 trials" in shown().split("\n")[-2]


def test_progress_outside_a_stage_is_ignored(clock: Clock) -> None:
    progress, shown = live(clock)
    plain = PlainProgress(io.StringIO(), clock)
    for listener in (progress, plain):
        listener.advance()
        listener.picture(lambda width: "picture")
        listener.finish()
    assert shown() == ""


def test_a_broken_terminal_does_not_end_the_work(clock: Clock) -> None:
    console = Console(file=unbreakable(Broken()), force_terminal=True)
    for progress in (PlainProgress(Broken(), clock), LiveProgress(console, clock)):
        progress.start("train", 2)
        clock.now += 10
        progress.advance()
        progress.say("hello")
        progress.finish()


def test_a_closed_stream_does_not_end_the_work(clock: Clock) -> None:
    stream = io.StringIO()
    stream.close()
    PlainProgress(stream, clock).say("hello")


def test_figures_read_as_a_person_says_them() -> None:
    figures = {"loss": 0.123456, "images_per_s": 12.5, "steps_per_s": 1234.5, "best_accuracy": 0.9, "member": "small"}
    assert figure_texts(figures) == [
        "loss 0.1235", "12.5 images/s", "1,234 steps/s", "best accuracy 0.9", "member small",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (3.24, "3.2 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (130, "2 min 10 s"), (18200, "5 h 3 min")],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
