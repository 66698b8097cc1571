"""What imitates a layer's precision while a member runs: hooks that round what the layer takes and gives.

They are ordinary objects that hang in a module's own hooks, so that a member that is taken out, copied or exported by
PyTorch carries them along; its state dict stays the user's.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from supple.family.quantized.formats import Format
from supple.family.quantized.layers import Layer
from supple.family.quantized.rounding import AnyGrid


@dataclass(frozen=True)
class RoundInput:
    """Rounds what a layer takes, before it runs; it also says what the layer's precision is, for those who export it.

    `weight` is the grid that the layer's weights lie on already. `grid` is None where activations stay as they are.
    """

    layer: Layer
    format: Format
    weight: AnyGrid
    grid: AnyGrid | None = None
    output: AnyGrid | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the inputs with the first one rounded."""
        return None if self.grid is None else (self.grid.rounded(inputs[0]), *inputs[1:])


@dataclass(frozen=True)
class RoundOutput:
    """Rounds what a layer, with the norm behind it, gives."""

    grid: AnyGrid

    def __call__(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the output rounded."""
        return self.grid.rounded(output)


def precisions_of(module: nn.Module) -> dict[str, RoundInput]:
    """Return the precision of the layers of a member that was taken out, by module path; fp32 layers are left out."""
    return {
        path: hook
        for path, child in module.named_modules()
        for hook in child._forward_pre_hooks.values()
        if isinstance(hook, RoundInput)
    }


def without_precision(module: nn.Module) -> nn.Module:
    """Return a copy of a member that was taken out, whose layers round nothing; its weights stay on their grids."""
    plain = copy.deepcopy(module)
    for child in plain.modules():
        for hooks in (child._forward_pre_hooks, child._forward_hooks):
            for number in [number for number, hook in hooks.items() if isinstance(hook, RoundInput | RoundOutput)]:
                del hooks[number]
    return plain
