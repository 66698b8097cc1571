"""Turn the user's module tree into a member for a while: its weights, attributes and blocks, put back afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from supple.family.selection import Selection, gather
from supple.space import Config
from supple.trace import Attribute, Structure


@dataclass(frozen=True)
class Place:
    """Where one tensor hangs in the module tree: `holder` is a module's own dictionary of parameters or buffers.

    A tensor that several modules share has several places under several keys.
    """

    key: str
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
        Place(f"{path}.{name}" if path else name, holder, name)
        for path, module in model.named_modules(remove_duplicate=False)
        for holder in (vars(module)[kind],)
        for name, tensor in holder.items()
        if tensor is not None
    )


@dataclass(frozen=True)
class Plan:
    """All that activating one config changes in the tree, worked out once."""

    parameters: tuple[Place, ...]
    selections: tuple[Selection, ...]
    sliced_buffers: tuple[tuple[Place, Selection], ...]
    other_buffers: tuple[Place, ...]
    attributes: tuple[tuple[nn.Module, str, Any], ...]
    containers: tuple[tuple[nn.Module, dict[str, nn.Module]], ...]

    @classmethod
    def of(cls, model: nn.Module, structure: Structure, config: Config) -> "Plan":
        """Work out the plan of a config."""
        parameters: list[Place] = []
        selections: list[Selection] = []
        for place in parameter_places(model):
            if _changes(structure, place, config):
                parameters.append(place)
                selections.append(Selection.of(structure.axes[place.key], config))
        sliced: list[tuple[Place, Selection]] = []
        others: list[Place] = []
        for place in buffer_places(model):
            if _changes(structure, place, config):
                sliced.append((place, Selection.of(structure.axes[place.key], config)))
            elif structure.keeps(place.key, config):
                others.append(place)
        return cls(
            tuple(parameters),
            tuple(selections),
            tuple(sliced),
            tuple(others),
            tuple(attribute_values(model, structure.attributes, config)),
            tuple(remaining_children(model, structure.dropped_blocks(config))),
        )


def _changes(structure: Structure, place: Place, config: Config) -> bool:
    axes = structure.axes.get(place.key, ())
    return structure.keeps(place.key, config) and any(axis.size(config) != axis.full for axis in axes)


def attribute_values(
    model: nn.Module, attributes: tuple[Attribute, ...], config: Mapping[str, int]
) -> Iterator[tuple[nn.Module, str, Any]]:
    """Yield the attributes that differ in a member, with their values there."""
    tuples: dict[tuple[str, str], list[int]] = {}
    for attribute in attributes:
        size = attribute.axis.size(config)
        module = model.get_submodule(attribute.module)
        if attribute.position is None:
            if size != attribute.axis.full:
                yield module, attribute.name, size
        else:
            key = (attribute.module, attribute.name)
            tuples.setdefault(key, list(getattr(module, attribute.name)))[attribute.position] = size
    for (path, name), values in tuples.items():
        yield model.get_submodule(path), name, tuple(values)


def remaining_children(
    model: nn.Module, dropped: tuple[str, ...]
) -> Iterator[tuple[nn.Module, dict[str, nn.Module]]]:
    """Yield the containers that lose blocks, with the children that stay; their names stay too."""
    by_container: dict[str, set[str]] = {}
    for path in dropped:
        container, _, name = path.rpartition(".")
        by_container.setdefault(container, set()).add(name)
    for container, names in by_container.items():
        module = model.get_submodule(container)
        yield module, {name: child for name, child in module.named_children() if name not in names}


@contextmanager
def activated(plan: Plan, statistics: Mapping[str, torch.Tensor], training: bool) -> Iterator[None]:
    """Hang a member's tensors, attributes and blocks into the tree, and put back what was there.

    `statistics` holds calibrated buffers by key. A member in training mode gets copies of all buffers, so that its
    batch statistics do not mix with those of the full network.
    """
    shared = [place.tensor for place in plan.parameters]
    parts = gather(plan.selections, shared)
    changed_buffers: list[tuple[Place, torch.Tensor]] = []
    for place, selection in plan.sliced_buffers:
        part = statistics.get(place.key)
        if part is None:
            part = selection.view(place.tensor)
        changed_buffers.append((place, part.clone() if training else part))
    for place in plan.other_buffers:
        if training:
            changed_buffers.append((place, place.tensor.clone()))
        elif place.key in statistics:
            changed_buffers.append((place, statistics[place.key]))
    buffers_before = [place.tensor for place, _ in changed_buffers]
    attributes_before = [vars(module)[name] for module, name, _ in plan.attributes]
    children_before = [vars(container)["_modules"] for container, _ in plan.containers]
    try:
        for place, part in zip(plan.parameters, parts, strict=True):
            place.holder[place.name] = part
        for place, part in changed_buffers:
            place.holder[place.name] = part
        for module, name, value in plan.attributes:
            vars(module)[name] = value
        for container, children in plan.containers:
            vars(container)["_modules"] = children
        yield
    finally:
        for place, tensor in zip(plan.parameters, shared, strict=True):
            place.holder[place.name] = tensor
        for (place, _), tensor in zip(changed_buffers, buffers_before, strict=True):
            place.holder[place.name] = tensor
        for (module, name, _), value in zip(plan.attributes, attributes_before, strict=True):
            vars(module)[name] = value
        for (container, _), children in zip(plan.containers, children_before, strict=True):
            vars(container)["_modules"] = children
