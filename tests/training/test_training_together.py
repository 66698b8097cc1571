"""Training in several processes: it comes to what one comes to, and goes on after a crash, with as many or others."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torchrun import torchrun
from training_cases import trained

from supple.storage import load_tensors
from supple.training import History


class Ended:
    """What each of so many processes ended with."""

    def __init__(self, result: Path, count: int) -> None:
        self.weights = [load_tensors(result.with_suffix(f".{rank}")) for rank in range(count)]
        self.histories = [History.from_json(result.with_suffix(f".{rank}.json").read_text()) for rank in range(count)]


def run(count: int, checkpoints: Path, result: Path) -> Ended:
    torchrun(count, "training_cases.py", str(checkpoints), str(result))
    return Ended(result, count)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Ended:
    folder = tmp_path_factory.mktemp("whole")
    return run(2, folder / "checkpoints", folder / "result")


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(subprocess.CalledProcessError):
        torchrun(2, "training_cases.py", str(folder), str(folder / "never"), "8")
    assert not list(folder.glob("never*"))
    assert list(folder.glob("step-*/manifest.json"))
    return folder


def test_all_processes_end_with_the_same(whole):
    first, second = whole.weights
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert whole.histories[0] == whole.histories[1]


def test_one_process_ends_with_nearly_the_same(whole):
    family, history = trained(None)
    assert_close(family.state_dict(), whole.weights[0])
    for row, other in zip(history.rows, whole.histories[0].rows, strict=True):
        assert row.step == other.step
        assert row.loss_largest == pytest.approx(other.loss_largest, rel=1e-3)
        assert row.metric_largest == pytest.approx(other.metric_largest, abs=0.05)


def test_as_many_processes_end_as_if_there_had_been_no_crash(whole, killed, tmp_path):
    shutil.copytree(killed, tmp_path / "checkpoints")
    resumed = run(2, tmp_path / "checkpoints", tmp_path / "result")
    for weights in resumed.weights:
        assert all(torch.equal(weights[key], whole.weights[0][key]) for key in weights)
    assert resumed.histories == whole.histories


@pytest.mark.slow
def test_one_process_takes_up_what_two_have_left(whole, killed, tmp_path):
    shutil.copytree(killed, tmp_path / "checkpoints")
    family, history = trained(tmp_path / "checkpoints")
    assert_close(family.state_dict(), whole.weights[0])
    assert [row.step for row in history.rows] == [row.step for row in whole.histories[0].rows]


@pytest.mark.slow
def test_sharded_processes_take_up_what_whole_ones_have_left(whole, killed, tmp_path, monkeypatch):
    shutil.copytree(killed, tmp_path / "checkpoints")
    monkeypatch.setenv("SHARDING", "full")
    resumed = run(2, tmp_path / "checkpoints", tmp_path / "result")
    assert_close(resumed.weights[0], whole.weights[0])
    assert_close(resumed.weights[1], whole.weights[0])
    assert [row.step for row in resumed.histories[0].rows] == [row.step for row in whole.histories[0].rows]
    # And one process what they have left: the newest checkpoint is the end of the run.
    monkeypatch.delenv("SHARDING")
    family, _ = trained(tmp_path / "checkpoints")
    assert_close(family.state_dict(), whole.weights[0])


@pytest.mark.slow
def test_processes_whose_norms_see_their_shares_end_with_the_same_too(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("NORMS_OF_SHARES", "1")
    ended = run(2, tmp_path / "checkpoints", tmp_path / "result")
    first, second = ended.weights
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert ended.histories[0] == ended.histories[1]
    # But not with what norms over the whole batch come to.
    assert not torch.equal(first["model.stem.0.weight"], whole.weights[0]["model.stem.0.weight"])


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Sums of other parts round otherwise, and the optimizer carries that on."""
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(tensor, other[key], atol=2e-3, rtol=2e-3, msg=lambda text, key=key: f"{key}: {text}")
