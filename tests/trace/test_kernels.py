"""Which kernels become elastic, and what follows them."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from supple.trace import trace

IMAGE = torch.randn(2, 8, 16, 16)


def kernels(module: nn.Module) -> dict[str, tuple[int, ...]]:
    structure = trace(nn.Sequential(module, nn.Conv2d(8, 16, 1), nn.Conv2d(16, 4, 1)).eval(), IMAGE)
    return {entry.name: entry.values for entry in structure.space.dimensions if entry.kind == "kernel"}


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ({"kernel_size": 5, "padding": 2}, (3, 5)),
        ({"kernel_size": 7, "padding": 3, "groups": 8, "stride": 2}, (3, 5, 7)),
        ({"kernel_size": 7, "padding": 2}, (3, 5, 7)),
        ({"kernel_size": (1, 7), "padding": (0, 3)}, (3, 5, 7)),
        ({"kernel_size": 5, "padding": "same"}, (3, 5)),
    ],
)
def test_a_padded_kernel_shrinks_to_three(arguments: dict[str, Any], values: tuple[int, ...]) -> None:
    assert kernels(nn.Conv2d(8, 8, **arguments)) == {"0.kernel": values}


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 4, "padding": 2},  # no middle
        {"kernel_size": 7, "padding": 1},  # at 3 its outputs would be more
        {"kernel_size": 5},
        {"kernel_size": 5, "padding": 4, "dilation": 2},
        {"kernel_size": 5, "padding": 2, "padding_mode": "reflect"},
    ],
)
def test_other_kernels_stay(arguments: dict[str, Any]) -> None:
    assert kernels(nn.Conv2d(8, 8, **arguments)) == {}


def test_a_transposed_kernel_and_a_shared_one_stay() -> None:
    assert kernels(nn.ConvTranspose2d(8, 8, 5, padding=2)) == {}
    one = nn.Conv2d(8, 8, 5, padding=2)
    other = nn.Conv2d(8, 8, 5, padding=2)
    other.weight = one.weight
    assert kernels(nn.Sequential(one, other)) == {}
    assert kernels(nn.Sequential(one, nn.ReLU(), one)) == {}


class PadsItself(nn.Conv2d):
    """Pads by as much as its kernel needs, as TensorFlow does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, in, height, width) to (batch, out, height, width)."""
        pads = [side for size in reversed(self.weight.shape[2:]) for side in ((size - 1) // 2, size // 2)]
        return functional.conv2d(functional.pad(x, pads), self.weight, self.bias)


def test_a_convolution_that_pads_in_its_forward_shrinks() -> None:
    assert kernels(PadsItself(8, 8, 5)) == {"0.kernel": (3, 5)}


def test_the_padding_follows_and_the_middle_is_kept() -> None:
    conv = nn.Conv2d(8, 8, (1, 7), padding=(0, 3))
    structure = trace(nn.Sequential(conv, nn.Conv2d(8, 16, 1), nn.Conv2d(16, 4, 1)).eval(), IMAGE)
    config = structure.space.config({"0.kernel": 3})
    assert structure.shape("0.weight", config)[2:] == (1, 3)
    assert structure.axes["0.weight"][3].indices(config) == slice(2, 5)
    found = {(entry.name, entry.position): entry.value(config) for entry in structure.attributes if entry.module == "0"}
    assert found["kernel_size", 1] == 3
    assert found["padding", 1] == 1
    assert ("padding", 0) not in found
