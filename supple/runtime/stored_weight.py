"""Weights in the bits that their format says, in PyTorch: what a file holds of them, and how they become float32."""

import torch
from torch import nn
from torch.nn import functional

from supple.family.quantized.rounding import AnyGrid, BlockGrid, FloatGrid, LiveGrid

_HALF_A_BYTE = 4
_MIDDLE = 2 ** (_HALF_A_BYTE - 1)
_LOW_HALF = 2**_HALF_A_BYTE - 1


class StoredWeight(nn.Module):
    """A weight (out, in, ...) that lies on a grid, as what stands for its numbers there.

    Of 4 bits two lie in a byte, with 8 added, the first in the lower half. It gives what the weight was, bit for bit.
    """

    stored: torch.Tensor

    def __init__(self, grid: AnyGrid, weight: torch.Tensor) -> None:
        super().__init__()
        assert not isinstance(grid, LiveGrid)
        self._grid = grid
        self._inputs = weight.shape[1]
        self._are_halves = isinstance(grid, BlockGrid) and grid.high < _MIDDLE
        weight = weight.detach()
        stored = grid.floats(weight) if isinstance(grid, FloatGrid) else grid.integers(weight).to(torch.int8)
        self.register_buffer("stored", _packed(stored) if self._are_halves else stored)

    def forward(self) -> torch.Tensor:
        """Return the weight in float32."""
        return self._grid.numbers(_unpacked(self.stored)[:, : self._inputs] if self._are_halves else self.stored)


def _packed(whole: torch.Tensor) -> torch.Tensor:
    halves = functional.pad((whole + _MIDDLE).to(torch.uint8), (0, whole.shape[1] % 2))
    return torch.bitwise_or(halves[:, 0::2], torch.bitwise_left_shift(halves[:, 1::2], _HALF_A_BYTE))


def _unpacked(stored: torch.Tensor) -> torch.Tensor:
    halves = torch.bitwise_and(stored, _LOW_HALF), torch.bitwise_right_shift(stored, _HALF_A_BYTE)
    return torch.sub(torch.stack(halves, -1).flatten(-2).to(torch.int8), _MIDDLE)
