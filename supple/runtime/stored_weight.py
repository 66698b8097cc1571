"""Weights in the bits that their format says, in PyTorch: what a file holds of them, and how they become float32."""

import torch
from torch import nn
from torch.nn import functional

from supple.family.quantized.rounding import AnyGrid, BlockGrid, ChannelGrid, FloatGrid, Grid

_HALF_A_BYTE = 4
_MIDDLE = 2 ** (_HALF_A_BYTE - 1)
_LOW_HALF = 2**_HALF_A_BYTE - 1


def stored_weight(grid: AnyGrid, weight: torch.Tensor) -> nn.Module:
    """Return a module without inputs that holds a weight (out, in, ...), which lies on a grid, and gives it in float32.

    What it gives is what the weight was, bit for bit.
    """
    weight = weight.detach()
    if isinstance(grid, FloatGrid):
        return _FloatWeight(grid, weight)
    if isinstance(grid, BlockGrid):
        return _BlockWeight(grid, weight)
    assert isinstance(grid, Grid | ChannelGrid)
    return _IntegerWeight(grid, weight)


class _FloatWeight(nn.Module):
    stored: torch.Tensor

    def __init__(self, grid: FloatGrid, weight: torch.Tensor) -> None:
        super().__init__()
        self._grid = grid
        self.register_buffer("stored", grid.floats(weight))

    def forward(self) -> torch.Tensor:
        return self._grid.numbers(self.stored)


class _IntegerWeight(nn.Module):
    stored: torch.Tensor
    scale: torch.Tensor

    def __init__(self, grid: Grid | ChannelGrid, weight: torch.Tensor) -> None:
        super().__init__()
        self._zero_point = grid.zero_point if isinstance(grid, Grid) else 0
        scale = torch.as_tensor(grid.scale, dtype=torch.float32).view([-1] + [1] * (weight.ndim - 1))
        self.register_buffer("stored", grid.integers(weight).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self) -> torch.Tensor:
        whole = self.stored.float()
        return (whole - self._zero_point if self._zero_point else whole) * self.scale


class _BlockWeight(nn.Module):
    """Whole numbers (out, blocks, block); of 4 bits two lie in a byte, with 8 added, the first in the lower half."""

    stored: torch.Tensor
    scale: torch.Tensor

    def __init__(self, grid: BlockGrid, weight: torch.Tensor) -> None:
        super().__init__()
        self._inputs = weight.shape[1]
        self._are_halves = grid.high < _MIDDLE
        padded = functional.pad(grid.integers(weight), (0, -self._inputs % grid.block))
        whole = padded.view(len(weight), -1, grid.block)
        self.register_buffer("stored", _packed(whole) if self._are_halves else whole.to(torch.int8))
        self.register_buffer("scale", grid.scale.unsqueeze(-1))

    def forward(self) -> torch.Tensor:
        whole = _unpacked(self.stored) if self._are_halves else self.stored
        return (whole.float() * self.scale).flatten(1)[:, : self._inputs]


def _packed(whole: torch.Tensor) -> torch.Tensor:
    halves = (whole + _MIDDLE).to(torch.uint8)
    return torch.bitwise_or(halves[..., 0::2], torch.bitwise_left_shift(halves[..., 1::2], _HALF_A_BYTE))


def _unpacked(stored: torch.Tensor) -> torch.Tensor:
    halves = torch.bitwise_and(stored, _LOW_HALF), torch.bitwise_right_shift(stored, _HALF_A_BYTE)
    return torch.sub(torch.stack(halves, -1).flatten(-2).to(torch.int8), _MIDDLE)
