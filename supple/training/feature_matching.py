"""Feature matching: members' features are to be those of the full member, on the channels that they share.

Source: Aich et al., Efficient Controllable Multi-Task Architectures, 2023 (configuration-invariant distillation).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_leaves

from supple.errors import SuppleError, nearest
from supple.family import Family
from supple.space import Config, Kind
from supple.trace import Axis, Structure
from supple.trace.reparametrized import weight_key
from supple.training.task import wide


@dataclass(frozen=True)
class _Place:
    """Where a feature is read: the output of a module, or its input."""

    path: str
    module: nn.Module
    is_input: bool = False


class FeatureMatching:
    """Reads features of the members of a family, and compares them with those of the full member."""

    def __init__(self, family: Family, patterns: Sequence[str] = ()) -> None:
        """Take patterns of module paths, with `*` for anything; without any, stages and the classifier's input.

        A stage is what holds the blocks of a depth dimension, where it is run as one module; else each of its blocks
        is one. Raises `SuppleError` where a pattern finds no module, or there is nothing to compare.
        """
        model, structure = family.model, family.structure
        self._places = _named(model, patterns) if patterns else _by_default(model, structure)
        if not self._places:
            raise SuppleError(
                "The model has neither stages nor a classifier whose features could be compared: "
                'name its modules by distillation.feature_modules, as ["body.*"].'
            )
        elastic = (axis for axes in structure.axes.values() for axis in axes if axis.dimensions)
        self._axes = tuple(dict.fromkeys(elastic))

    @contextmanager
    def reading(self) -> Iterator[dict[str, Tensor]]:
        """Hand out a mapping that gets the features by path while members run within the context."""
        features: dict[str, Tensor] = {}

        def take(place: _Place, values: Any) -> None:
            tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
            if tensors:
                features[place.path] = tensors[0]

        def hook(place: _Place) -> Any:
            if place.is_input:
                return place.module.register_forward_pre_hook(
                    lambda module, args, kwargs: take(place, (args, kwargs)), with_kwargs=True
                )
            return place.module.register_forward_hook(lambda module, args, output: take(place, output))

        handles = [hook(place) for place in self._places]
        try:
            yield features
        finally:
            for handle in handles:
                handle.remove()

    def difference(self, config: Config, features: Mapping[str, Tensor], full: Mapping[str, Tensor]) -> Tensor | None:
        """Return how far a member's features are from the full member's; None where they have none in common.

        That is the mean over the features of |member - full|^2 / |full|^2, on the channels that the member has: neither
        widths nor the scale of a layer matter. Modules that the member drops are left out; where it has smaller images,
        the full member's features, which come detached, are averaged down to its size.
        """
        errors = []
        for path, feature in features.items():
            part = None if path not in full else self._part(config, feature, full[path])
            if part is not None:
                size = part.square().mean().clamp_min(torch.finfo(part.dtype).tiny)
                errors.append(functional.mse_loss(wide(feature), part) / size)
        return torch.stack(errors).mean() if errors else None

    def _part(self, config: Config, feature: Tensor, full: Tensor) -> Tensor | None:
        """Return what of the full member's feature corresponds to the member's, if that can be told."""
        if feature.dim() != full.dim():
            return None
        differ = {axis for axis in range(feature.dim()) if feature.shape[axis] != full.shape[axis]}
        for channels in _channel_axes(feature.dim()):
            positions = set(range(1, feature.dim())) - {channels}
            pooled = differ - {channels}
            if pooled and pooled != positions:
                continue
            kept = self._kept(config, full.shape[channels], feature.shape[channels])
            if kept is None:
                continue
            part = wide(full).index_select(channels, kept.to(full.device)) if channels in differ else wide(full)
            if pooled:
                size = [feature.shape[axis] for axis in sorted(positions)]
                part = functional.interpolate(part.movedim(channels, 1), size, mode="area").movedim(1, channels)
            return part
        return None

    def _kept(self, config: Config, full: int, size: int) -> Tensor | None:
        """Return which of `full` channels a member keeps that has `size`, if any axis of the family has so many."""
        if size == full:
            return torch.arange(full)
        found = [axis.indices(config) for axis in self._axes if (axis.full, axis.size(config)) == (full, size)]
        if not found:
            return None
        # Axes of the same sizes may be cut in other ways, as those of queries, keys and values in one; those that pass
        # from block to block are nearly always cut at their end.
        prefix = slice(0, size)
        first = prefix if prefix in found else found[0]
        return torch.arange(full)[first]


def _channel_axes(dimensions: int) -> tuple[int, ...]:
    """Return where the channels of a feature may be, the likeliest first: (batch, channels, ...) of images."""
    if dimensions < 2:
        return ()
    if dimensions == 2:
        return (1,)
    return (2, 1) if dimensions == 3 else (1, dimensions - 1)


def _named(model: nn.Module, patterns: Iterable[str]) -> list[_Place]:
    modules = {path: module for path, module in model.named_modules() if path}
    found: dict[str, nn.Module] = {}
    for pattern in patterns:
        matches = re.compile(translate(pattern)).match
        named = {path: module for path, module in modules.items() if matches(path)}
        if not named:
            raise SuppleError(f'No module is found by the pattern "{pattern}"{nearest(pattern, modules) or "."}')
        found |= named
    return [_Place(path, module) for path, module in found.items()]


def _by_default(model: nn.Module, structure: Structure) -> list[_Place]:
    depths = {entry.name for entry in structure.space.dimensions if entry.kind is Kind.DEPTH}
    paths = dict.fromkeys(_stage(model, block.path) for block in structure.blocks if block.dimension in depths)
    places = [_Place(path, model.get_submodule(path)) for path in paths]
    classifiers = [
        _Place(path, module, is_input=True)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear | _ConvNd) and _keeps_its_outputs(structure.axes.get(weight_key(path, module)))
    ]
    return places + classifiers[-1:]


def _stage(model: nn.Module, block: str) -> str:
    """Return the path of the module around a block, if that is one that runs; else that of the block itself."""
    path = block.rpartition(".")[0]
    # The outputs of the whole model are no features.
    return block if path == "" or isinstance(model.get_submodule(path), nn.ModuleList | nn.ModuleDict) else path


def _keeps_its_outputs(axes: tuple[Axis, ...] | None) -> bool:
    return axes is not None and not axes[0].dimensions
