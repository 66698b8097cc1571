"""Weights of named models: safetensors and nothing else."""

from pathlib import Path

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.sources.weights import load_weights, refuse_pickles
from supple.storage import save_tensors


class Tied(nn.Module):
    """Two layers that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.head.weight = self.table.weight


def test_weights_are_loaded(tmp_path: Path) -> None:
    source, model = nn.Linear(3, 4), nn.Linear(3, 4)
    save_tensors(tmp_path / "w.safetensors", source.state_dict())
    load_weights(model, tmp_path / "w.safetensors")
    assert torch.equal(model.weight, source.weight)
    assert torch.equal(model.bias, source.bias)


@pytest.mark.parametrize("key", ["table.weight", "head.weight"])
def test_a_shared_tensor_stands_under_any_of_its_keys(tmp_path: Path, key: str) -> None:
    save_tensors(tmp_path / "w.safetensors", {key: torch.ones(5, 3), "head.bias": torch.zeros(5)})
    model = Tied()
    load_weights(model, tmp_path / "w.safetensors")
    assert model.table.weight.eq(1).all()
    assert model.head.weight is model.table.weight


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"wieght": (4, 3), "bias": (4,)}, 'holds a tensor "wieght" that the model has not; did you mean "weight"?'),
        ({"weight": (4, 3)}, 'holds no tensor "bias", which the model has'),
        ({"weight": (3, 4), "bias": (4,)}, 'holds "weight" as [3, 4], and the model has it as [4, 3].'),
    ],
)
def test_other_tensors_than_the_model_s_are_refused(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], message: str
) -> None:
    save_tensors(tmp_path / "w.safetensors", {key: torch.ones(shape) for key, shape in tensors.items()})
    model = nn.Linear(3, 4)
    before = model.weight.clone()
    with pytest.raises(SuppleError) as caught:
        load_weights(model, tmp_path / "w.safetensors")
    assert message in str(caught.value)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("name", ["net.pt", "net.PTH", "a/b/model.bin", "net.pt2", "x.ckpt", "x.pkl"])
def test_files_to_unpickle_are_refused(name: str) -> None:
    with pytest.raises(SuppleError, match=r"would have to be unpickled, which can run any code: .* safetensors"):
        refuse_pickles(name)


@pytest.mark.parametrize("name", ["net.safetensors", "timm:resnet18", "my_package.models:net", "bert-base"])
def test_other_names_are_let_through(name: str) -> None:
    refuse_pickles(name)
