"""Turn the user's module tree into a member for a while: its weights, attributes and blocks, put back afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from supple.family.kernel_transform import KernelTransforms
from supple.family.quantized.quantization import Quantization
from supple.family.quantized.ranges import Ranges
from supple.family.selection import Cut, Selection, gather, prefix_unit
from supple.space import Config
from supple.trace import Attribute, Axis, Structure
from supple.trace.caches import empty_dictionaries


class Place(NamedTuple):
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


class Slot(NamedTuple):
    """A tensor that members may fill differently, and all places where it hangs.

    `cut` is the number of its cut; 0 is that of the tensors whose size never changes. `blocks` are those that hold all
    its places.
    """

    places: tuple[Place, ...]
    cut: int
    blocks: frozenset[str]


Change = tuple[dict[str, Any], str, Any]
Changes = list[Change]
"""What hangs, or is to hang, where in the module tree: (dictionary, name, value)."""


class Activator:
    """Knows every place of one module tree that a config can change; made once per family."""

    def __init__(
        self,
        model: nn.Module,
        structure: Structure,
        transforms: KernelTransforms | None = None,
        quantization: Quantization | None = None,
    ) -> None:
        self._model = model
        self._structure = structure
        self._transforms = transforms
        self._quantization = quantization
        self._largest = structure.space.max()
        # Of each choice the largest member has one option only; else it is the whole tree.
        self._changes_of_largest = list(children_changes(model, structure.dropped_blocks(self._largest)))
        self._cuts: list[Cut] = []
        # Tensors with the same axes, as those of one norm, share a cut.
        numbers: dict[tuple[Axis, ...], int] = {}
        slots = [self._slot(places, numbers) for places in places_by_tensor(parameter_places(model))]
        self._parameters = [slot for slot in slots if slot.cut > 0]
        self._buffers = [self._slot(places, numbers) for places in places_by_tensor(buffer_places(model))]
        self._attributes = sized_attributes(model, structure)
        self._recurrent = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
        self._caches = empty_dictionaries(model)
        # While a member is active: what else hangs in its places.
        self._undo: Changes = []
        # Where parameters are made late: while a member is active, its config.
        self._units: tuple[nn.Module, ...] = ()
        self._late: Mapping[str, int] | None = None
        self._undo_late: dict[nn.Module, Changes] = {}

    def _slot(self, places: tuple[Place, ...], numbers: dict[tuple[Axis, ...], int]) -> Slot:
        axes = self._structure.axes[places[0].key]
        if any(axis.dimensions for axis in axes) and axes not in numbers:
            self._cuts.append(Cut(axes))
            numbers[axes] = len(self._cuts)
        around = [
            {block.path for block in self._structure.blocks if place.key.startswith(block.path + ".")}
            for place in places
        ]
        return Slot(places, numbers.get(axes, 0), frozenset.intersection(*map(frozenset, around)))

    @contextmanager
    def activated(
        self,
        config: Config | None,
        calibrated: Mapping[str, torch.Tensor] = {},
        keep_statistics: bool = False,
        ranges: Ranges | None = None,
    ) -> Iterator[None]:
        """Hang a member's tensors, attributes and blocks into the tree, and put back what was there.

        Without a config the tree is the user's own, with every option of its choices. `calibrated` holds recomputed
        buffers by key. A member in training mode has no batch-norm statistics, unless `keep_statistics`: they would mix
        with those of the full network, and its output does not depend on them. `ranges` are those of its quantized
        layers' activations. A member within which another is activated gives way to it, and comes back.
        """
        enclosing, enclosing_late = _exchange(self._undo), self._late
        self._undo, self._late = [], None
        try:
            changes: Changes = [(attributes, name, {}) for attributes, name in self._caches]
            if config == self._largest:
                changes.extend(self._changes_of_largest)
            elif config is not None:
                changes.extend(self._changes(dict(config), calibrated, keep_statistics))
                if self._quantization is not None:
                    changes.extend(self._precision_changes(self._quantization, config, changes, ranges))
                self._late = dict(config) if self._units else None
            self._undo = _exchange(changes)
            yield
        finally:
            _hang(self._undo)
            self._undo, self._late = _exchange(enclosing), enclosing_late

    def make_parameters_late(self, units: Sequence[nn.Module]) -> None:
        """From now on make a member's parameters only while the modules run that hold them, as views where they can be.

        For parameters that hang whole in the tree only meanwhile, as those that are sharded over processes. `units` are
        those modules, a module before those that it stands in, the whole model last; no tensor is shared by two. Called
        once, before any member runs.
        """
        self._units = tuple(units)
        unit_of: dict[int, nn.Module] = {}
        for unit in units:
            for module in unit.modules():
                unit_of.setdefault(id(module), unit)
        for unit in units:
            slots = [slot for slot in self._parameters if unit_of[id(slot.places[0].module)] is unit]
            recurrent = [module for module in self._recurrent if unit_of[id(module)] is unit]
            # After the hook that makes the parameters whole, and before the one that takes them away.
            unit.register_forward_pre_hook(partial(self._hang_late, slots, recurrent))
            unit.register_forward_hook(self._put_back_late, prepend=True)

    def _hang_late(self, slots: list[Slot], recurrent: list[nn.RNNBase], unit: nn.Module, inputs: object) -> None:
        config = self._late
        changes = [] if config is None else self._parameter_changes(config, self._selections(config), slots)
        self._undo_late[unit] = _exchange([*changes, *recurrent_changes(recurrent, changes)])

    def _put_back_late(self, unit: nn.Module, inputs: object, output: object) -> None:
        _hang(self._undo_late.pop(unit))

    def _selections(self, config: Mapping[str, int]) -> list[Selection | None]:
        """Return what the config keeps by each cut."""
        transforms = self._transforms
        kept = config if transforms is None else transforms.first_crop(config, self._structure.space)
        return [None, *(cut.selection(kept) for cut in self._cuts)]

    def _changes(
        self, config: Mapping[str, int], calibrated: Mapping[str, torch.Tensor], keep_statistics: bool
    ) -> Changes:
        dropped = self._structure.dropped_blocks(config)
        selections = self._selections(config)
        changes: Changes = []
        if not self._units:
            changes = self._parameter_changes(config, selections, self._parameters)
            changes.extend(recurrent_changes(self._recurrent, changes))
        is_training = self._model.training
        for places, cut, blocks in self._buffers:
            first, selection = places[0], selections[cut]
            part: torch.Tensor | None
            if not keep_statistics and first.module.training and isinstance(first.module, _NormBase):
                part = None
            elif first.key in calibrated:
                part = calibrated[first.key]
            elif (selection is not None or is_training) and blocks.isdisjoint(dropped):
                part = first.tensor if selection is None else selection.view(first.tensor)
                # A forward pass may write to buffers while it trains: not into those of the full network.
                part = part.clone() if is_training else part
            else:
                continue
            for place in places:
                changes.append((place.holder, place.name, part))
        changes.extend(attribute_changes(self._attributes, config))
        changes.extend(children_changes(self._model, dropped))
        return changes

    def _precision_changes(
        self, quantization: Quantization, config: Mapping[str, int], changes: Changes, ranges: Ranges | None
    ) -> Changes:
        weights = {id(holder): value for holder, name, value in changes if name == "weight"}
        dropped = self._structure.dropped_blocks(config)
        return list(quantization.changes(self._model, config, weights, ranges, dropped))

    def _parameter_changes(
        self, config: Mapping[str, int], selections: Sequence[Selection | None], slots: Sequence[Slot]
    ) -> Changes:
        dropped = self._structure.dropped_blocks(config)
        present = [
            (slot.places, selection)
            for slot in slots
            # What the member holds as a whole stays where it is.
            if (selection := selections[slot.cut]) is not None and slot.blocks.isdisjoint(dropped)
        ]
        parts = gather(
            [selection for _, selection in present],
            [places[0].tensor for places, _ in present],
            # A copy would keep the memory that the whole parameter gives back after its module has run.
            Selection.view if self._units else Selection.dense,
        )
        if self._transforms is not None:
            parts = tuple(
                self._transforms.transformed(places[0].key, part, config, self._structure.space)
                for (places, _), part in zip(present, parts, strict=True)
            )
        return [
            (place.holder, place.name, part)
            for (places, _), part in zip(present, parts, strict=True)
            for place in places
        ]


def places_by_tensor(places: tuple[Place, ...]) -> list[tuple[Place, ...]]:
    """Return the places of each tensor: several where modules share it."""
    found: dict[int, list[Place]] = {}
    for place in places:
        found.setdefault(id(place.tensor), []).append(place)
    return [tuple(together) for together in found.values()]


def _hang(changes: Changes) -> None:
    for holder, name, value in changes:
        holder[name] = value


def _exchange(changes: Changes) -> Changes:
    """Make the changes; return those that undo them."""
    before = [(holder, name, holder[name]) for holder, name, _ in changes]
    _hang(changes)
    return before


class SizedAttribute(NamedTuple):
    """An attribute that follows an axis; `unit` is (dimension, factor) where its value is a plain product."""

    holder: dict[str, Any]
    unit: tuple[str, int] | None
    attribute: Attribute


def sized_attributes(model: nn.Module, structure: Structure) -> list[SizedAttribute]:
    """Return the attributes of a module tree that follow an axis."""
    return [
        SizedAttribute(
            vars(model.get_submodule(entry.module)),
            prefix_unit(entry.axis) if (entry.scale, entry.offset) == (1, 0) else None,
            entry,
        )
        for entry in structure.attributes
    ]


def recurrent_changes(modules: Sequence[nn.RNNBase], changes: Changes) -> Changes:
    """Return what makes recurrent modules see changed parameters: they run on a list of their own."""
    changed = {(id(holder), name): value for holder, name, value in changes} if modules else {}
    return [
        (
            vars(module),
            "_flat_weights",
            [
                changed.get((id(module._parameters), name), module._parameters[name])
                for name in module._flat_weights_names
            ],
        )
        for module in modules
    ]


def attribute_changes(attributes: list[SizedAttribute], config: Mapping[str, int]) -> Iterator[Change]:
    """Yield where each attribute stands and its value in a member."""
    tuples: dict[tuple[int, str], tuple[dict[str, Any], list[int]]] = {}
    for holder, unit, attribute in attributes:
        name, position = attribute.name, attribute.position
        value = attribute.value(config) if unit is None else config[unit[0]] * unit[1]
        if position is None:
            yield holder, name, value
        else:
            tuples.setdefault((id(holder), name), (holder, list(holder[name])))[1][position] = value
    for (_, name), (holder, sizes) in tuples.items():
        yield holder, name, tuple(sizes)


def children_changes(model: nn.Module, dropped: tuple[str, ...]) -> Iterator[Change]:
    """Yield the containers that lose blocks, with the children that stay; their names stay too."""
    by_container: dict[str, set[str]] = {}
    for path in dropped:
        container, _, name = path.rpartition(".")
        by_container.setdefault(container, set()).add(name)
    for container, names in by_container.items():
        module = model.get_submodule(container)
        # Not named_children(), which leaves out what stands there twice.
        yield vars(module), "_modules", {name: child for name, child in module._modules.items() if name not in names}
