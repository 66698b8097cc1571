"""What tracing finds out about a model: its space, and what each dimension does to parameters, attributes and blocks.

A structure is data without torch: it is written to JSON beside the weights and read back without tracing again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from supple.errors import SuppleError
from supple.space import Condition, Dimension, Kind, Space
from supple.trace.input_shapes import InputShapes


@dataclass(frozen=True)
class Factor:
    """A range of `full` indices; a dimension keeps the first so many of them, or those in the middle (a kernel)."""

    full: int
    dimension: str | None = None
    centred: bool = False

    def size(self, config: Mapping[str, int]) -> int:
        """Return how many indices the config keeps."""
        return self.full if self.dimension is None else config[self.dimension]

    def indices(self, config: Mapping[str, int]) -> range:
        """Return the indices that the config keeps."""
        size = self.size(config)
        start = (self.full - size) // 2 if self.centred else 0
        return range(start, start + size)


@dataclass(frozen=True)
class Axis:
    """How dimensions index one axis: segments one after another, each a product of factors, the outermost first."""

    segments: tuple[tuple[Factor, ...], ...]

    @property
    def full(self) -> int:
        """The size in the user's own model."""
        return sum(math.prod(factor.full for factor in segment) for segment in self.segments)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that index this axis."""
        names = (factor.dimension for segment in self.segments for factor in segment)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def size(self, config: Mapping[str, int]) -> int:
        """Return the size of the axis in a member."""
        return sum(math.prod(factor.size(config) for factor in segment) for segment in self.segments)

    def indices(self, config: Mapping[str, int]) -> slice | list[int]:
        """Return which indices of the full axis a member keeps: a slice where they are one run, else a list."""
        kept: list[int] = []
        start = 0
        for segment in self.segments:
            if all(factor.dimension is None for factor in segment[1:]):
                # As the parts of a concatenation, of which there may be hundreds: one run.
                unit = math.prod(factor.full for factor in segment[1:])
                run = segment[0].indices(config)
                kept.extend(range(start + run.start * unit, start + run.stop * unit))
            else:
                offsets = [0]
                for factor in segment:
                    offsets = [offset * factor.full + index for offset in offsets for index in factor.indices(config)]
                kept.extend(start + offset for offset in offsets)
            start += math.prod(factor.full for factor in segment)
        first = kept[0] if kept else 0
        if kept == list(range(first, first + len(kept))):
            return slice(first, first + len(kept))
        return kept


@dataclass(frozen=True)
class Attribute:
    """An integer attribute of one of the user's modules that follows the size of an axis (`groups`, `in_features`).

    `position` is the index within a tuple-valued attribute (`normalized_shape`), or None for a plain integer. The axis
    has `scale` times the attribute's value and `offset` more (a kernel of 5 has 2 times its padding and 1 more).
    """

    module: str
    name: str
    axis: Axis
    position: int | None = None
    scale: int = 1
    offset: int = 0

    def value(self, config: Mapping[str, int]) -> int:
        """Return the attribute's value in a member."""
        return (self.axis.size(config) - self.offset) // self.scale


@dataclass(frozen=True)
class Block:
    """A module that a member may leave out: it is present where `dimension` has a value from `at_least` to `at_most`.

    The dimension is a depth, or the operator of a choice, one of whose options the block is.
    """

    path: str
    dimension: str
    at_least: int
    at_most: int | None = None

    def is_present(self, config: Mapping[str, int]) -> bool:
        """Say whether the member has the block."""
        return Condition(self.dimension, self.at_least, self.at_most).allows(config[self.dimension])


@dataclass(frozen=True)
class Frozen:
    """Something of the model that did not become elastic, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Structure:
    """All that tracing found: `axes` holds one entry per axis of every parameter and buffer, by state-dict key.

    `inputs` are the shapes of the inputs that it was found with, None where those cannot be written down.
    """

    space: Space
    axes: Mapping[str, tuple[Axis, ...]]
    attributes: tuple[Attribute, ...]
    blocks: tuple[Block, ...]
    frozen: tuple[Frozen, ...]
    inputs: InputShapes | None = None

    def shape(self, tensor: str, config: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape of a parameter or buffer in a member."""
        return tuple(axis.size(config) for axis in self.axes[tensor])

    def dropped_blocks(self, config: Mapping[str, int]) -> tuple[str, ...]:
        """Return the module paths of the blocks that the member leaves out."""
        return tuple(block.path for block in self.blocks if not block.is_present(config))

    def keeps(self, tensor: str, config: Mapping[str, int]) -> bool:
        """Say whether the member holds this parameter or buffer at all."""
        return not any(tensor.startswith(path + ".") for path in self.dropped_blocks(config))

    def without(self, dimension: str, reason: str) -> "Structure":
        """Return the structure with one dimension frozen at its largest value, for the given reason.

        An operator stays in the space with that one value, so that members leave the other options out.
        """
        frozen = (*self.frozen, Frozen(dimension, reason))
        if self.space[dimension].kind is Kind.OPERATOR:
            return replace(self.with_values(dimension, (self.space[dimension].largest,)), frozen=frozen)
        return replace(self._without(dimension), frozen=frozen)

    def without_value(self, dimension: str, value: int, reason: str) -> "Structure":
        """Return the structure without one option or one resolution; any other dimension is frozen as a whole."""
        values = tuple(other for other in self.space[dimension].values if other != value)
        kind = self.space[dimension].kind
        if kind not in (Kind.OPERATOR, Kind.RESOLUTION) or (kind is Kind.RESOLUTION and len(values) == 1):
            return self.without(dimension, reason)
        frozen = (*self.frozen, Frozen(f"{dimension} {value}", reason))
        return replace(self.with_values(dimension, values), frozen=frozen)

    def with_all_options(self) -> "Structure":
        """Return the structure of the network in which every option of each choice is there: no choice is left."""
        structure = self
        for entry in self.space.dimensions:
            if entry.kind is Kind.OPERATOR:
                structure = structure._without(entry.name)
        return structure

    def with_values(self, dimension: str, values: tuple[int, ...]) -> "Structure":
        """Return the structure with other values of one dimension; the largest must stay the user's own.

        What lies in blocks that are never there any more loses its dimensions.
        """
        changed = replace(self.space[dimension], values=values)
        if changed.largest != self.space[dimension].largest:
            raise ValueError(f'dimension "{dimension}" must end at {self.space[dimension].largest}')
        structure = replace(
            self, space=Space(changed if entry.name == dimension else entry for entry in self.space.dimensions)
        )
        for entry in self.space.dimensions:
            on = [condition for condition in entry.conditions if condition.parent == dimension]
            if not all(any(map(condition.allows, values)) for condition in on):
                structure = structure._without(entry.name)
        return structure

    def tied(self, dimensions: Sequence[str], name: str) -> "Structure":
        """Return the structure with several dimensions of the same values made one, under a new name.

        It matters where any of them did: what they do not all hang on, those that hang on them do from now on.
        """
        first, *others = (self.space[entry] for entry in dimensions)
        for other in others:
            if (other.kind, other.values) != (first.kind, first.values):
                raise ValueError(f'"{first.name}" and "{other.name}" do not have the same values')
        common = tuple(
            condition for condition in first.conditions if all(condition in other.conditions for other in others)
        )
        one = Dimension(name, first.kind, first.values, common)
        new_names = dict.fromkeys(dimensions, name)
        kept = [
            one if entry.name == first.name else self._under(entry, one, new_names)
            for entry in self.space.dimensions
            if entry.name == first.name or entry.name not in new_names
        ]
        return Structure(
            Space(kept),
            {key: tuple(_renamed(axis, new_names) for axis in axes) for key, axes in self.axes.items()},
            tuple(replace(entry, axis=_renamed(entry.axis, new_names)) for entry in self.attributes),
            tuple(replace(block, dimension=new_names.get(block.dimension, block.dimension)) for block in self.blocks),
            self.frozen,
            self.inputs,
        )

    def _under(self, entry: Dimension, one: Dimension, new_names: Mapping[str, str]) -> Dimension:
        """Return a dimension as it hangs where others have been made one."""
        conditions: list[Condition] = []
        for condition in entry.conditions:
            conditions.append(replace(condition, parent=new_names.get(condition.parent, condition.parent)))
            if condition.parent in new_names:
                above = self.space[condition.parent].conditions
                conditions.extend(lost for lost in above if lost not in one.conditions)
        return replace(entry, conditions=tuple(conditions))

    def _without(self, dimension: str) -> "Structure":
        whole = {dimension: None}
        kept = [
            _without_parent(entry, self.space[dimension]) for entry in self.space.dimensions if entry.name != dimension
        ]
        return Structure(
            Space(kept),
            {key: tuple(_renamed(axis, whole) for axis in axes) for key, axes in self.axes.items()},
            tuple(replace(entry, axis=_renamed(entry.axis, whole)) for entry in self.attributes),
            tuple(block for block in self.blocks if block.dimension != dimension),
            self.frozen,
            self.inputs,
        )

    def to_json(self) -> str:
        """Return the structure as JSON."""
        return json.dumps(
            {
                "space": json.loads(self.space.to_json()),
                "axes": {name: [_axis_to_json(axis) for axis in axes] for name, axes in self.axes.items()},
                "attributes": [{**asdict(entry), "axis": _axis_to_json(entry.axis)} for entry in self.attributes],
                "blocks": [asdict(block) for block in self.blocks],
                "frozen": [asdict(entry) for entry in self.frozen],
                "inputs": None if self.inputs is None else self.inputs.to_json(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Structure":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            content = json.loads(text)
            space = Space.from_json(json.dumps(content["space"]))
            return cls(
                space,
                {name: tuple(_axis_from_json(axis, space) for axis in axes) for name, axes in content["axes"].items()},
                tuple(_attribute_from_json(entry, space) for entry in content["attributes"]),
                tuple(_block_from_json(entry, space) for entry in content["blocks"]),
                tuple(Frozen(_text(entry["what"]), _text(entry["reason"])) for entry in content["frozen"]),
                None if content["inputs"] is None else InputShapes.from_json(content["inputs"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SuppleError(f"This is no structure of a family: {error}.") from None


def _without_parent(dimension: Dimension, parent: Dimension) -> Dimension:
    """Return the dimension as it hangs where `parent` is always at its largest: on what that hangs on, if at all."""
    conditions = [
        above
        for condition in dimension.conditions
        for above in (parent.conditions if condition.parent == parent.name else (condition,))
    ]
    return replace(dimension, conditions=tuple(dict.fromkeys(conditions)))


def _renamed(axis: Axis, names: Mapping[str, str | None]) -> Axis:
    """Return the axis indexed by dimensions of new names; one whose name is None no longer indexes it."""
    if names.keys().isdisjoint(axis.dimensions):
        return axis
    return Axis(tuple(tuple(_renamed_factor(factor, names) for factor in segment) for segment in axis.segments))


def _renamed_factor(factor: Factor, names: Mapping[str, str | None]) -> Factor:
    if factor.dimension is None or factor.dimension not in names:
        return factor
    name = names[factor.dimension]
    return Factor(factor.full) if name is None else replace(factor, dimension=name)


def _axis_to_json(axis: Axis) -> list[list[list[int | str | bool | None]]]:
    return [[[factor.full, factor.dimension, factor.centred] for factor in segment] for segment in axis.segments]


def _axis_from_json(segments: Any, space: Space) -> Axis:
    axis = Axis(tuple(tuple(_factor_from_json(factor, space) for factor in segment) for segment in segments))
    if not axis.segments or not all(axis.segments):
        raise ValueError("an axis needs at least one segment, and a segment at least one factor")
    return axis


def _factor_from_json(factor: Any, space: Space) -> Factor:
    full, dimension, centred = factor
    if dimension is not None and _dimension(dimension, space).largest != full:
        raise ValueError(f'dimension "{dimension}" does not end at the size of the axis, {full}')
    if type(centred) is not bool:
        raise ValueError(f"{centred!r:.80} does not say whether the middle is kept")
    return Factor(_number(full), dimension, centred)


def _attribute_from_json(entry: Any, space: Space) -> Attribute:
    position = None if entry["position"] is None else _number(entry["position"])
    axis = _axis_from_json(entry["axis"], space)
    scale, offset = _number(entry["scale"]), _number(entry["offset"])
    if scale == 0 or axis.full < offset:
        raise ValueError("an attribute has a positive scale, and an offset no larger than its axis")
    return Attribute(_text(entry["module"]), _text(entry["name"]), axis, position, scale, offset)


def _block_from_json(entry: Any, space: Space) -> Block:
    at_most = None if entry["at_most"] is None else _number(entry["at_most"])
    return Block(_text(entry["path"]), _dimension(entry["dimension"], space).name, _number(entry["at_least"]), at_most)


def _dimension(name: Any, space: Space) -> Dimension:
    if _text(name) not in space:
        raise ValueError(f'the space has no dimension "{name}"')
    return space[name]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is no text")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.80} is no size")
    return value
