"""Folders of checkpoints: which are kept, and which one is found again."""

import pytest
import torch

from supple.errors import SuppleError
from supple.progress import Silent
from supple.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint


class Listener(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"a/x": torch.full((3,), float(step)), "b/y": torch.arange(step)}, {"step": step})


@pytest.fixture
def folder(tmp_path):
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, checkpoint(step), keep=2)
    return tmp_path


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_is_found_as_it_was_saved(folder):
    found = newest_checkpoint(folder, Silent())
    assert (found.step, found.state) == (15, {"step": 15})
    assert torch.equal(found.part("a")["x"], torch.full((3,), 15.0))
    assert found.part("b").keys() == {"y"}


def test_as_many_as_wanted_are_kept(folder):
    assert names(folder) == ["step-000010", "step-000015"]


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
def test_a_flipped_bit_leaves_a_checkpoint_out_and_says_so(folder, name):
    path = folder / "step-000015" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    listener = Listener()
    assert newest_checkpoint(folder, listener).step == 10
    assert len(listener.lines) == 1
    assert "A checkpoint is left out" in listener.lines[0]
    assert "step-000015" in listener.lines[0]


def test_a_half_written_checkpoint_is_left_out_and_written_anew(folder):
    (folder / "step-000015" / "manifest.json").unlink()
    assert newest_checkpoint(folder, Silent()).step == 10
    save_checkpoint(folder, checkpoint(15), keep=2)
    assert newest_checkpoint(folder, Silent()).step == 15


def test_damaged_checkpoints_of_later_steps_do_not_push_whole_ones_out(folder):
    (folder / "step-000015" / "manifest.json").unlink()
    save_checkpoint(folder, checkpoint(12), keep=2)
    assert names(folder) == ["step-000010", "step-000012"]


def test_there_is_none_in_an_empty_or_missing_folder(tmp_path):
    assert newest_checkpoint(tmp_path, Silent()) is None
    assert newest_checkpoint(tmp_path / "none", Silent()) is None


def test_a_full_disk_leaves_the_earlier_ones(folder, monkeypatch):
    def full(*_):
        raise SuppleError("No space left on device")

    monkeypatch.setattr("supple.training.checkpoint.write_json", full)
    with pytest.raises(SuppleError, match="No space left"):
        save_checkpoint(folder, checkpoint(20), keep=1)
    assert newest_checkpoint(folder, Silent()).step == 15


def test_a_folder_that_cannot_be_made_is_named(folder):
    (folder / "file").write_text("")
    with pytest.raises(SuppleError, match=r'Could not write ".*file/step-000001"'):
        save_checkpoint(folder / "file", checkpoint(1), keep=1)
