"""The layers that read the channels of a dimension, and the blocks that change what passes through them.

A channel is worth what the layers that read it make of it. So every order of importance looks at them: behind a batch
norm, the weights that make a channel say nothing of its size.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from supple.space import Kind
from supple.trace import Axis, Structure
from supple.trace.reparametrized import weight_key


@dataclass(frozen=True)
class Reader:
    """A layer that takes in channels: the axis of its input, which one it is of the input, and of the weight."""

    module: nn.Module
    axis: Axis
    input_axis: int
    weight_axis: int

    @property
    def weight_sizes(self) -> torch.Tensor:
        """The sum of the absolute weights that read each channel: (channels)."""
        weight: torch.Tensor = self.module.weight  # type: ignore[assignment]
        return sums_along(weight.detach().abs().double(), self.weight_axis)


def find_readers(model: nn.Module, structure: Structure) -> list[Reader]:
    """Return the linear layers and convolutions whose input has elastic channels, each module once."""
    readers: list[Reader] = []
    for path, module in model.named_modules():
        axes = structure.axes.get(weight_key(path, module))
        if axes is None:
            continue
        if isinstance(module, nn.Linear):
            readers.append(Reader(module, axes[1], -1, 1))
        elif isinstance(module, _ConvNd):
            is_depthwise = module.groups == module.in_channels == module.out_channels
            if module.groups == 1 or is_depthwise:
                weight_axis = 0 if module.transposed or is_depthwise else 1
                readers.append(Reader(module, axes[weight_axis], 1, weight_axis))
    return [reader for reader in readers if reader.axis.dimensions]


def sums_along(tensor: torch.Tensor, axis: int, kept: int | None = None) -> torch.Tensor:
    """Sum over all axes but one, and but `kept` where that is another: the result has `kept` first."""
    stay = {axis % tensor.dim()} if kept is None else {axis % tensor.dim(), kept}
    summed = [position for position in range(tensor.dim()) if position not in stay]
    return tensor.sum(summed) if summed else tensor


@contextmanager
def watched_inputs(readers: list[Reader], watch: Callable[[Reader, torch.Tensor], None]) -> Iterator[None]:
    """Call `watch` with each tensor that a reader takes in, while the context lasts."""

    def hook(reader: Reader) -> RemovableHandle:
        return reader.module.register_forward_pre_hook(
            lambda module, args, kwargs: watch(reader, _first_tensor((args, kwargs))), with_kwargs=True
        )

    handles = [hook(reader) for reader in readers]
    with _removed(handles):
        yield


@contextmanager
def watched_blocks(
    model: nn.Module, structure: Structure, watch: Callable[[str, torch.Tensor, torch.Tensor], None]
) -> Iterator[None]:
    """Call `watch` with the path, the input and the output of each block that can be dropped, while the context lasts.

    These are the first tensor that goes in and the first that comes out.
    """
    entered: dict[str, torch.Tensor] = {}

    def enter(path: str, inputs: Any) -> None:
        # A copy: a block may write to its input.
        entered[path] = _first_tensor(inputs).detach().clone()

    def leave(path: str, output: Any) -> None:
        x, y = entered.pop(path), _first_tensor(output)
        if x.shape == y.shape:
            watch(path, x, y)

    def hooks(path: str) -> Iterator[RemovableHandle]:
        module = model.get_submodule(path)
        yield module.register_forward_pre_hook(
            lambda module, args, kwargs: enter(path, (args, kwargs)), with_kwargs=True
        )
        yield module.register_forward_hook(lambda module, args, output: leave(path, output))

    # Options of a choice are blocks too, but none of them is left out for another in the full network.
    depths = {entry.name for entry in structure.space.dimensions if entry.kind is Kind.DEPTH}
    paths = [block.path for block in structure.blocks if block.dimension in depths]
    handles = [handle for path in paths for handle in hooks(path)]
    with _removed(handles):
        yield


def _first_tensor(values: Any) -> torch.Tensor:
    return next(leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


@contextmanager
def _removed(handles: list[RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
