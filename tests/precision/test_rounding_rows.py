"""Layers as products of matrices: each form of convolution gives what PyTorch gives."""

import pytest
import torch
from torch import nn

from supple.precision.rounding.rows import RowForm

CASES = {
    "linear": (nn.Linear(6, 4, bias=False), (3, 5, 6)),
    "plain": (nn.Conv2d(3, 8, 3, bias=False), (2, 3, 7, 6)),
    "strided": (nn.Conv2d(4, 8, (3, 2), (2, 1), (1, 0), bias=False), (2, 4, 7, 6)),
    "grouped": (nn.Conv2d(6, 4, 3, groups=2, bias=False), (2, 6, 5, 5)),
    "depthwise": (nn.Conv2d(6, 12, 3, 2, 1, groups=6, bias=False), (2, 6, 7, 7)),
    "dilated": (nn.Conv2d(3, 4, 3, dilation=2, bias=False), (2, 3, 8, 9)),
    "same": (nn.Conv2d(3, 4, (5, 3), padding="same", bias=False), (2, 3, 6, 6)),
    "reflected": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect", bias=False), (2, 3, 6, 6)),
    "one axis": (nn.Conv1d(3, 4, 3, padding=1, bias=False), (2, 3, 9)),
    "three axes": (nn.Conv3d(2, 4, (1, 2, 3), 2, bias=False), (2, 2, 4, 5, 6)),
    "one image": (nn.Conv2d(3, 4, 3, bias=False), (3, 6, 6)),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_times_weight_is_the_layer(name: str) -> None:
    module, shape = CASES[name]
    form, x = RowForm.of(module), torch.randn(shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = form.given(module(x))
        positions = torch.randperm(len(expected), generator=torch.Generator().manual_seed(3))[:7]
        found = form.product(form.weight(module.weight), form.taken(x, positions))
    assert torch.allclose(found, expected[positions], atol=1e-5)
