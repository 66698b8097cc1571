"""The indices of dimensions along the axes of tensors: what belongs to each of them, and another order of them."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from supple.family.activation import buffer_places, parameter_places
from supple.trace import Axis, Structure

Orders = Mapping[str, Sequence[int]]
"""A new order of some dimensions' indices: the old index that comes to each place."""


def sums_by_index(values: torch.Tensor, axis: Axis, dimension: str) -> torch.Tensor:
    """Add up what belongs to each index of a dimension; values: (..., axis size), result: (..., largest value)."""
    leading = values.shape[:-1]
    sums: list[torch.Tensor] = []
    start = 0
    for segment in axis.segments:
        sizes = [factor.full for factor in segment]
        part = values[..., start : start + math.prod(sizes)].reshape(*leading, *sizes)
        start += math.prod(sizes)
        for position, factor in enumerate(segment):
            if factor.dimension == dimension:
                indices_first = part.movedim(position - len(sizes), len(leading))
                sums.append(indices_first.reshape(*leading, factor.full, -1).sum(-1))
    return torch.stack(sums).sum(0)


def axis_order(axis: Axis, orders: Orders) -> list[int]:
    """Return the old index that comes to each place of an axis when its dimensions take a new order."""
    order: list[int] = []
    start = 0
    for segment in axis.segments:
        offsets = [0]
        for factor in segment:
            indices = range(factor.full) if factor.dimension is None else orders.get(factor.dimension)
            indices = range(factor.full) if indices is None else indices
            offsets = [offset * factor.full + index for offset in offsets for index in indices]
        order.extend(start + offset for offset in offsets)
        start += math.prod(factor.full for factor in segment)
    return order


def reorder(model: nn.Module, structure: Structure, orders: Orders) -> None:
    """Put the indices of dimensions into a new order, in place, in every parameter and buffer that they index.

    A tensor that modules share is reordered once.
    """
    places = {id(place.tensor): place for place in (*parameter_places(model), *buffer_places(model))}
    with torch.no_grad():
        for place in places.values():
            tensor = place.tensor
            moved = tensor
            for position, axis in enumerate(structure.axes[place.key]):
                if not orders.keys().isdisjoint(axis.dimensions):
                    moved = moved.index_select(position, torch.tensor(axis_order(axis, orders), device=tensor.device))
            if moved is not tensor:
                tensor.copy_(moved)


def inverse(order: Sequence[int]) -> list[int]:
    """Return the order that undoes this one."""
    return sorted(range(len(order)), key=order.__getitem__)
