"""Convolutions and linear layers as products of matrices: one row for each position of their output."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd


@dataclass(frozen=True)
class RowForm:
    """A layer as a product, group by group; `groups`: of its channels, one for a linear layer."""

    module: nn.Module
    groups: int

    @classmethod
    def of(cls, module: nn.Module) -> "RowForm":
        """Return the form of a convolution or a linear layer."""
        return cls(module, module.groups if isinstance(module, _ConvNd) else 1)

    def weight(self, weight: torch.Tensor) -> torch.Tensor:
        """Return a weight (out, in / groups, ...) as (groups, out / groups, features)."""
        return weight.view(self.groups, weight.shape[0] // self.groups, -1)

    def taken(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return what the layer multiplies at positions of its output: (groups, positions, features)."""
        module = self.module
        if not isinstance(module, _ConvNd):
            return x.flatten(0, -2)[positions].unsqueeze(0)
        spatial = len(module.kernel_size)
        x = x if x.ndim == spatial + 2 else x.unsqueeze(0)
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        windows = functional.pad(x, module._reversed_padding_repeated_twice, mode)
        for axis, (size, step, dilation) in enumerate(
            zip(module.kernel_size, module.stride, module.dilation, strict=True)
        ):
            windows = windows.unfold(2 + axis, (size - 1) * dilation + 1, step)[..., ::dilation]
        # windows: (batch, in, *positions, *kernel), a view of x.
        places = torch.unravel_index(positions, (windows.shape[0], *windows.shape[2 : 2 + spatial]))
        chosen = windows.movedim(1, 1 + spatial)[places]
        return chosen.reshape(len(positions), self.groups, -1).transpose(0, 1)

    def given(self, y: torch.Tensor) -> torch.Tensor:
        """Return what the layer gives as (positions, out)."""
        spatial = len(self.module.kernel_size) if isinstance(self.module, _ConvNd) else 0
        return y.movedim(-1 - spatial, -1).flatten(0, -2) if spatial else y.flatten(0, -2)

    def product(self, weight: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
        """Multiply rows (groups, positions, features) by a weight in row form; the result: (positions, out)."""
        return torch.bmm(taken, weight.transpose(1, 2)).transpose(0, 1).flatten(1)
