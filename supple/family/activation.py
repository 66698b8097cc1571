"""Turn the user's module tree into a member for a while: its weights, attributes and blocks, put back afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from supple.family.selection import Cut, gather, prefix_unit
from supple.space import Config
from supple.trace import Attribute, Structure


@dataclass(frozen=True)
class Place:
    """Where one tensor hangs in the module tree: `holder` is its module's own dictionary of parameters or buffers.

    A tensor that several modules share has several places under several keys.
    """

    key: str
    module: nn.Module
    holder: dict[str, Any]
    name: str

    @property
    def tensor(self) -> torch.Tensor:
        """The tensor that hangs there now."""
        return self.holder[self.name]  # type: ignore[no-any-return]


def parameter_places(model: nn.Module) -> tuple[Place, ...]:
    """Return the places of all parameters."""
    return _places(model, "_parameters")


def buffer_places(model: nn.Module) -> tuple[Place, ...]:
    """Return the places of all buffers."""
    return _places(model, "_buffers")


def _places(model: nn.Module, kind: str) -> tuple[Place, ...]:
    return tuple(
        Place(f"{path}.{name}" if path else name, module, holder, name)
        for path, module in model.named_modules(remove_duplicate=False)
        for holder in (vars(module)[kind],)
        for name, tensor in holder.items()
        if tensor is not None
    )


@dataclass(frozen=True)
class ElasticPlace:
    """A place whose tensor differs between members, how it is cut, and under which depths it is there at all."""

    place: Place
    cut: Cut
    present: tuple[tuple[str, int], ...]

    def is_present(self, config: Mapping[str, int]) -> bool:
        """Say whether the member holds the tensor."""
        return all(config[dimension] >= at_least for dimension, at_least in self.present)


class Activator:
    """Knows every place of one module tree that a config can change; made once per family."""

    def __init__(self, model: nn.Module, structure: Structure) -> None:
        self._model = model
        self._structure = structure
        self._parameters = [self._elastic(place) for place in parameter_places(model) if self._is_elastic(place)]
        buffers = buffer_places(model)
        self._elastic_buffers = [self._elastic(place) for place in buffers if self._is_elastic(place)]
        self._statistics = [place for place in buffers if isinstance(place.module, _NormBase)]
        self._other_buffers = [place for place in buffers if not isinstance(place.module, _NormBase)]
        self._attributes = sized_attributes(model, structure)

    def _is_elastic(self, place: Place) -> bool:
        return any(axis.dimensions for axis in self._structure.axes.get(place.key, ()))

    def _elastic(self, place: Place) -> ElasticPlace:
        present = tuple(
            (block.dimension, block.at_least)
            for block in self._structure.blocks
            if place.key.startswith(block.path + ".")
        )
        return ElasticPlace(place, Cut(self._structure.axes[place.key]), present)

    @contextmanager
    def activated(self, config: Config, statistics: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Hang a member's tensors, attributes and blocks into the tree, and put back what was there.

        `statistics` holds calibrated buffers by key. A member in training mode keeps no batch-norm statistics: they
        would mix with those of the full network, and its output does not depend on them.
        """
        values = dict(config)
        present = [entry for entry in self._parameters if entry.is_present(values)]
        shared = [entry.place.tensor for entry in present]
        parts = gather([entry.cut.selection(values) for entry in present], shared)
        changes: list[tuple[dict[str, Any], str, Any]] = [
            (entry.place.holder, entry.place.name, part) for entry, part in zip(present, parts, strict=True)
        ]
        changes.extend(self._buffer_changes(values, statistics))
        changes.extend(attribute_changes(self._attributes, values))
        changes.extend(
            (vars(container), "_modules", children)
            for container, children in remaining_children(self._model, self._structure.dropped_blocks(config))
        )
        before = [holder[name] for holder, name, _ in changes]
        try:
            for holder, name, value in changes:
                holder[name] = value
            yield
        finally:
            for (holder, name, _), value in zip(changes, before, strict=True):
                holder[name] = value

    def _buffer_changes(
        self, config: Mapping[str, int], statistics: Mapping[str, torch.Tensor]
    ) -> Iterator[tuple[dict[str, Any], str, Any]]:
        for place in self._statistics:
            if place.module.training:
                yield place.holder, place.name, None
            elif place.key in statistics:
                yield place.holder, place.name, statistics[place.key]
        for entry in self._elastic_buffers:
            place = entry.place
            is_replaced = isinstance(place.module, _NormBase) and (place.module.training or place.key in statistics)
            if not is_replaced and entry.is_present(config):
                yield place.holder, place.name, entry.cut.selection(config).view(place.tensor)
        if self._model.training:
            for place in self._other_buffers:
                yield place.holder, place.name, place.tensor.clone()


class SizedAttribute(NamedTuple):
    """An attribute that follows an axis; `unit` is (dimension, factor) where its size is a plain product."""

    holder: dict[str, Any]
    attribute: Attribute
    unit: tuple[str, int] | None

    def size(self, config: Mapping[str, int]) -> int:
        """Return the size of the axis in a member."""
        size = self.attribute.axis.size(config) if self.unit is None else config[self.unit[0]] * self.unit[1]
        return size // self.attribute.scale


def sized_attributes(model: nn.Module, structure: Structure) -> list[SizedAttribute]:
    """Return the attributes of a module tree that follow an axis."""
    return [
        SizedAttribute(vars(model.get_submodule(entry.module)), entry, prefix_unit(entry.axis))
        for entry in structure.attributes
    ]


def attribute_changes(
    attributes: list[SizedAttribute], config: Mapping[str, int]
) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Yield where each attribute stands and its value in a member."""
    tuples: dict[tuple[int, str], tuple[dict[str, Any], list[int]]] = {}
    for entry in attributes:
        name, position = entry.attribute.name, entry.attribute.position
        if position is None:
            yield entry.holder, name, entry.size(config)
        else:
            sizes = tuples.setdefault((id(entry.holder), name), (entry.holder, list(entry.holder[name])))[1]
            sizes[position] = entry.size(config)
    for (_, name), (holder, sizes) in tuples.items():
        yield holder, name, tuple(sizes)


def remaining_children(model: nn.Module, dropped: tuple[str, ...]) -> Iterator[tuple[nn.Module, dict[str, nn.Module]]]:
    """Yield the containers that lose blocks, with the children that stay; their names stay too."""
    by_container: dict[str, set[str]] = {}
    for path in dropped:
        container, _, name = path.rpartition(".")
        by_container.setdefault(container, set()).add(name)
    for container, names in by_container.items():
        module = model.get_submodule(container)
        yield module, {name: child for name, child in module.named_children() if name not in names}


def make_permanent(model: nn.Module, structure: Structure, config: Config) -> None:
    """Set a member's attributes and drop its blocks for good, in a copy of the tree that already has its tensors."""
    for holder, name, value in attribute_changes(sized_attributes(model, structure), config):
        holder[name] = value
    for container, children in remaining_children(model, structure.dropped_blocks(config)):
        vars(container)["_modules"] = children
