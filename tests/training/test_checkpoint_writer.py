"""Checkpoints written in the background: training does not wait, nothing is lost, and errors are told."""

import copy
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import torch
from conftest import image_batches

from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Silent
from supple.training import train
from supple.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from supple.training.checkpoint_writer import CheckpointWriter

PATIENCE_S = 60


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"weights/x": torch.arange(1000) + step}, {"step": step})


class Gate:
    """Stands for a disk on which nothing is written before the gate opens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = Event()
        self.begun: list[int] = []
        self.in_time = True
        monkeypatch.setattr("supple.training.checkpoint_writer.save_checkpoint", self._save)

    def _save(self, folder: Path, checkpoint: Checkpoint, keep: int) -> None:
        self.begun.append(checkpoint.step)
        self.in_time &= self.opened.wait(PATIENCE_S)
        save_checkpoint(folder, checkpoint, keep)


class Opener(Silent):
    """Opens the gate after so many steps, and notes which checkpoints had been begun then."""

    def __init__(self, gate: Gate, steps: int) -> None:
        self.gate = gate
        self.steps = steps
        self.begun: list[int] = []

    def advance(self, units: int = 1, **figures: float | str) -> None:
        self.steps -= 1
        if self.steps == 0:
            self.begun = list(self.gate.begun)
            self.gate.opened.set()


class Stop(BaseException):
    """Stands for whatever ends a process."""


class Stopper(Silent):
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def advance(self, units: int = 1, **figures: float | str) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Stop


@pytest.fixture
def gate(monkeypatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.opened.set()
    assert gate.in_time


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: the next one is refused as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_begun_is_written_when_the_context_ends(tmp_path):
    with CheckpointWriter(tmp_path, keep=2) as writer:
        for step in (1, 2, 3):
            writer.write(checkpoint(step))
    assert not writer.is_busy
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000003"]
    assert torch.equal(newest_checkpoint(tmp_path, Silent()).tensors["weights/x"], torch.arange(1000) + 3)


def test_write_returns_before_the_checkpoint_is_written(tmp_path, gate):
    with CheckpointWriter(tmp_path, keep=2) as writer:
        writer.write(checkpoint(1))
        assert writer.is_busy
        assert newest_checkpoint(tmp_path, Silent()) is None
        gate.opened.set()
    assert newest_checkpoint(tmp_path, Silent()).step == 1


def write_and_fail(folder: Path) -> None:
    with CheckpointWriter(folder, keep=1) as writer:
        writer.write(checkpoint(1))
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "following",
    [
        lambda writer: writer.write(checkpoint(2)),
        CheckpointWriter.wait,
        lambda writer: writer.__exit__(None, None, None),
    ],
    ids=["write", "wait", "exit"],
)
def test_an_error_is_raised_by_whatever_comes_next_and_once(tmp_path, following):
    (tmp_path / "file").write_text("")
    writer = CheckpointWriter(tmp_path / "file", keep=1)
    writer.write(checkpoint(1))
    with pytest.raises(SuppleError, match=r'^Could not write ".*file/step-000001": Not a directory\.$'):
        following(writer)
    writer.wait()


def test_an_error_of_the_training_is_not_hidden_by_one_of_the_writer(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path / "file")


def test_a_failed_training_waits_for_the_checkpoint_that_is_being_written(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path)
    assert newest_checkpoint(tmp_path, Silent()).step == 1


def test_steps_go_on_while_a_checkpoint_is_written(family, train_data, valid_data, config, tmp_path, gate):
    opener = Opener(gate, steps=5)
    config = config.model_copy(update={"checkpoint_seconds": 1e-9})
    train(family, train_data, valid_data, config, folder=tmp_path, progress=opener)
    # Five steps were done while the first checkpoint, of no step, was on its way to the disk, and no other was begun.
    assert opener.begun == [0]
    assert gate.begun[-1] == 18


def test_later_steps_do_not_change_what_is_written(family, train_data, valid_data, config, tmp_path, gate):
    before = {key: tensor.clone() for key, tensor in family.model.state_dict().items()}
    config = config.model_copy(
        update={"checkpoint_seconds": 1e-9, "keep_checkpoints": 100, "average_decay": 0.5, "epochs": 1}
    )
    train(family, train_data, valid_data, config, folder=tmp_path, progress=Opener(gate, steps=5))
    steps = sorted(int(path.name.removeprefix("step-")) for path in tmp_path.glob("step-*"))
    first = found_at(tmp_path, steps[1:])
    assert first.step == 0
    for part in ("weights/model.", "average/average/model."):
        written = {key: tensor for key, tensor in first.tensors.items() if key.startswith(part)}
        assert written
        assert all(torch.equal(tensor, before[key.removeprefix(part)]) for key, tensor in written.items())
    assert not torch.equal(family.model.head.weight, before["head.weight"])


def found_at(folder: Path, later: list[int]) -> Checkpoint:
    """Return the newest checkpoint before those of later steps."""
    for step in later:
        (folder / f"step-{step:06d}" / "manifest.json").unlink()
    found = newest_checkpoint(folder, Silent())
    assert found is not None
    return found


def test_a_full_disk_ends_the_run_with_one_line_and_leaves_the_earlier_checkpoint(
    converted, valid_data, config, tmp_path
):
    config = config.model_copy(update={"checkpoint_seconds": 1e-9, "log_seconds": 1000})

    def attempt(folder: Path, progress: Silent) -> dict[str, torch.Tensor]:
        family = Family(copy.deepcopy(converted.model), converted.structure)
        train(family, image_batches(96, 1, True), valid_data, config, folder=folder, progress=progress)
        return family.model.state_dict()

    whole = attempt(tmp_path / "whole", Silent())
    with pytest.raises(Stop):
        attempt(tmp_path / "full", Stopper(8))
    earlier = newest_checkpoint(tmp_path / "full", Silent()).step
    largest = max(path.stat().st_size for path in (tmp_path / "full").glob("step-*/*"))
    for eighths in range(1, 8):
        size = largest * eighths // 8
        with files_of_at_most(size), pytest.raises(SuppleError) as caught:
            attempt(tmp_path / "full", Silent())
        assert str(caught.value).startswith("Could not write ")
        assert "File too large" in str(caught.value)
        assert str(caught.value).count("\n") == 0
        assert newest_checkpoint(tmp_path / "full", Silent()).step == earlier
    ended = attempt(tmp_path / "full", Silent())
    assert all(torch.equal(ended[key], tensor) for key, tensor in whole.items())


@pytest.mark.parametrize("damage", ["flipped bit", "cut off"])
@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
def test_damage_to_what_was_written_in_the_background_costs_one_checkpoint(tmp_path, name, damage):
    with CheckpointWriter(tmp_path, keep=2) as writer:
        for step in (5, 10):
            writer.write(checkpoint(step))
    path = tmp_path / "step-000010" / name
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle] ^= 1
    path.write_bytes(data if damage == "flipped bit" else data[:middle])
    found = newest_checkpoint(tmp_path, Silent())
    assert found.step == 5
    assert torch.equal(found.tensors["weights/x"], torch.arange(1000) + 5)
