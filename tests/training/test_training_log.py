"""The events of a run, and the file of JSON lines: what it holds, and what a resumed run leaves of it."""

import json
import math
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from supple.errors import SuppleError
from supple.training import log
from supple.training.log import Event, EventKind, EventLog, JsonLines, peak_memory_bytes


class Kept:
    """A sink that keeps events in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_closed = False

    def write(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "training.jsonl"


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def step_event(step: int) -> Event:
    return Event(EventKind.STEP, step, 1, {"loss_largest": 1 / step})


def write_steps(path: Path, count: int) -> None:
    lines = JsonLines(path)
    for step in range(1, count + 1):
        lines.write(step_event(step))
    lines.close()


def test_a_line_is_there_as_soon_as_it_is_written(path):
    lines = JsonLines(path)
    lines.write(Event(EventKind.STEP, 3, 1, {"loss_largest": 0.5, "learning_rate": 0.002}))
    assert path.read_text() == '{"kind": "step", "step": 3, "epoch": 1, "loss_largest": 0.5, "learning_rate": 0.002}\n'
    lines.write(Event(EventKind.SKIP, 4, 1, {"loss_largest": math.nan, "loss_smallest": None}, "the loss is nan"))
    assert read(path)[1] == {
        "kind": "skip", "step": 4, "epoch": 1, "loss_largest": None, "loss_smallest": None, "text": "the loss is nan",
    }  # fmt: skip
    lines.close()


def test_a_new_run_begins_an_empty_log(path):
    write_steps(path, 3)
    JsonLines(path).close()
    assert path.read_bytes() == b""


def test_a_resumed_run_leaves_what_was_before_its_checkpoint(path):
    write_steps(path, 5)
    lines = JsonLines(path, step=3)
    lines.write(step_event(4))
    lines.close()
    assert [line["step"] for line in read(path)] == [1, 2, 3, 4]


@pytest.mark.parametrize(("finished_epochs", "kinds"), [(0, ["step"]), (1, ["step", "epoch"])])
def test_the_line_of_an_epoch_stays_only_where_the_checkpoint_came_after_it(path, finished_epochs, kinds):
    lines = JsonLines(path)
    lines.write(step_event(1))
    lines.write(Event(EventKind.EPOCH, 1, 1))
    lines.close()
    JsonLines(path, step=1, finished_epochs=finished_epochs).close()
    assert [line["kind"] for line in read(path)] == kinds


@pytest.mark.parametrize(
    "torn", [b'{"kind": "step", "st', b'{"kind": "step", "step": 2, "epoch": 1}', b"\x00\xff\n", b"7\n"]
)
def test_a_torn_last_line_goes(path, torn):
    write_steps(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    JsonLines(path, step=2).close()
    assert path.read_bytes() == whole


def test_a_log_that_is_whole_is_not_written_again(path):
    write_steps(path, 2)
    inode = path.stat().st_ino
    JsonLines(path, step=2).close()
    assert path.stat().st_ino == inode


def test_a_crash_while_lines_are_cut_off_leaves_the_log_as_it_was(path, monkeypatch):
    write_steps(path, 3)
    before = path.read_bytes()

    def full(target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("supple.storage.files.flush", full)
    with pytest.raises(SuppleError, match=r'Could not write ".*training.jsonl": No space left on device.'):
        JsonLines(path, step=1)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SuppleError, match=r'Could not write ".*/absent/training.jsonl": No such file or directory.'):
        JsonLines(tmp_path / "absent" / "training.jsonl")


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file grow beyond 200 bytes, as on a full disk; within a test only, since its report goes to a file too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_ends_with_one_line_and_the_earlier_lines_stay(path):
    lines = JsonLines(path)
    with small_files():
        for step in (1, 2):
            lines.write(step_event(step))
        with pytest.raises(SuppleError, match=r'Could not write ".*training.jsonl": File too large.'):
            lines.write(Event(EventKind.NOTE, 3, 1, text="x" * 200))
    lines.close()
    JsonLines(path, step=3).close()
    assert [line["step"] for line in read(path)] == [1, 2]


def test_what_is_no_file_is_refused():
    with pytest.raises(SuppleError, match=r'"/dev/full" is not a file\.'):
        JsonLines(Path("/dev/full"))


def test_events_of_steps_come_at_most_once_per_interval_and_others_always(monkeypatch):
    now = 0.0
    monkeypatch.setattr(log.time, "monotonic", lambda: now)
    kept = Kept()
    events = EventLog([kept], step_seconds=1.0)
    for step in range(1, 8):
        now = step * 0.4
        assert events.wants_step() == (step in (1, 4, 7))
        events.write(step_event(step))
        events.write(Event(EventKind.NOTE, step, 1))
    events.close()
    assert [event.step for event in kept.events if event.kind is EventKind.STEP] == [1, 4, 7]
    assert [event.step for event in kept.events if event.kind is EventKind.NOTE] == list(range(1, 8))
    assert kept.is_closed


def test_without_sinks_no_figures_are_wanted():
    assert not EventLog([], step_seconds=0.0).wants_step()


def test_the_peak_of_memory_is_in_bytes():
    code = """
import torch
from supple.training.log import peak_memory_bytes
before = peak_memory_bytes(torch.device("cpu"))
held = torch.ones(64 * 2**20)
print(peak_memory_bytes(torch.device("cpu")) - before)
"""
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 200 * 2**20 < grown < 320 * 2**20
    assert peak_memory_bytes(torch.device("cpu")) > 2**20
