"""The choices of precision that one shape of a family leaves, and what each does to the weights alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from supple.errors import SuppleError, nearest
from supple.family import Family
from supple.family.quantized.formats import FULL_BITS, Format
from supple.family.quantized.layers import Layer
from supple.family.quantized.quantization import Quantization
from supple.family.quantized.rounding import AnyGrid, BlockGrid, ChannelGrid, FloatGrid
from supple.space import Config, Dimension, Kind, Space
from supple.trace.wishes import matches, names_around

_SCALE_BYTES = 4


@dataclass(frozen=True)
class SingleChoice:
    """One dimension at one number of bits below 32, everything else of the member in full precision."""

    name: str
    bits: int
    format: Format
    layers: tuple[Layer, ...]
    config: Config


def shape_of(family: Family, config: Config | None) -> Config:
    """Return the config in full precision of the shape of a config, by default of the full network.

    Raises `SuppleError` for a config of another family, and for a family without dimensions of precision.
    """
    quantization_of(family)
    return family.full_precision(family.space.max() if config is None else family.space.check(config))


def quantization_of(family: Family) -> Quantization:
    """Return what a family's dimensions of precision choose. Raises `SuppleError` where it has none."""
    if family.quantization is None:
        raise SuppleError("The family has no dimensions of precision: give it some by supple.quantize(family, ...).")
    return family.quantization


def single_choices(family: Family, shape: Config, patterns: Sequence[str] = ("*",)) -> list[SingleChoice]:
    """Return every choice of a lower precision that reaches a shape, of dimensions with a layer that a pattern finds.

    Raises `SuppleError` for a pattern that finds no layer of the shape, with the nearest name.
    """
    space, quantization = family.space, quantization_of(family)
    dropped = family.structure.dropped_blocks(shape)
    present = {
        name: tuple(layer for layer in choice.layers if not _lies_in(layer.path, dropped))
        for name, choice in quantization.choices.items()
        if space.is_active(name, shape)
    }
    paths = [layer.path for layers in present.values() for layer in layers]
    for pattern in patterns:
        if not any(matches(pattern, path) for path in paths):
            known = {name for path in paths for name in names_around(path)}
            raise SuppleError(
                f'No layer whose precision can be chosen is found by the pattern "{pattern}"'
                f"{nearest(pattern, known) or '.'}"
            )
    return [
        SingleChoice(name, bits, layer_format, layers, space.config({**shape, name: bits}))
        for name, layers in present.items()
        if any(matches(pattern, layer.path) for pattern in patterns for layer in layers)
        for bits, layer_format in sorted(quantization.choices[name].formats.items())
        if bits != FULL_BITS
    ]


def precision_space(values: Mapping[str, Sequence[int]]) -> Space:
    """Return the space of nothing but precision: a dimension of each name, with its numbers of bits."""
    return Space(Dimension(name, Kind.BITS, tuple(sorted({*bits, FULL_BITS}))) for name, bits in values.items())


def rounded_weights(
    family: Family, member: nn.Module, choice: SingleChoice
) -> Iterator[tuple[Layer, torch.Tensor, torch.Tensor, int]]:
    """Yield each layer of a choice with its weight in `member`, the weight rounded, and the bytes that it then takes.

    `member` is one of the choice's shape in full precision that was taken out.
    """
    quantization = quantization_of(family)
    for layer in choice.layers:
        weight = member.get_submodule(layer.path)._parameters["weight"]
        assert weight is not None  # a layer without a weight is none of ours
        detached = weight.detach()
        grid = quantization.weight_grid(layer, choice.format, detached)
        yield layer, detached, grid.rounded(detached), _stored_bytes(grid, detached.numel(), choice.format.bits)


def bytes_saved(family: Family, member: nn.Module, choice: SingleChoice) -> int:
    """Return how many bytes fewer than in 32 bits the weights of a choice take, with their scales."""
    return sum(
        weight.numel() * weight.element_size() - stored
        for _, weight, _, stored in rounded_weights(family, member, choice)
    )


def _stored_bytes(grid: AnyGrid, numbers: int, bits: int) -> int:
    if isinstance(grid, BlockGrid):
        # The last block of each row is filled up.
        return grid.scale.numel() * (grid.block * bits // 8 + _SCALE_BYTES)
    if isinstance(grid, ChannelGrid):
        scales = grid.scale.numel()
    elif isinstance(grid, FloatGrid):
        scales = 0 if grid.scale is None else grid.scale.numel()
    else:
        scales = 1
    return numbers * bits // 8 + _SCALE_BYTES * scales


def _lies_in(path: str, blocks: Sequence[str]) -> bool:
    return any(path == block or path.startswith(block + ".") for block in blocks)
