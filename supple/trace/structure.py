"""What tracing finds out about a model: its space, and what each dimension does to parameters, attributes and blocks.

A structure is data without torch: it is written to JSON beside the weights and read back without tracing again.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from supple.errors import SuppleError
from supple.space import Dimension, Space


@dataclass(frozen=True)
class Factor:
    """A range of `full` indices; a dimension keeps the first so many of them."""

    full: int
    dimension: str | None = None

    def size(self, config: Mapping[str, int]) -> int:
        """Return how many indices the config keeps."""
        return self.full if self.dimension is None else config[self.dimension]


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
        if len(self.segments) == 1 and all(factor.dimension is None for factor in self.segments[0][1:]):
            return slice(0, self.size(config))
        kept: list[int] = []
        start = 0
        for segment in self.segments:
            offsets = [0]
            for factor in segment:
                offsets = [offset * factor.full + index for offset in offsets for index in range(factor.size(config))]
            kept.extend(start + offset for offset in offsets)
            start += math.prod(factor.full for factor in segment)
        if kept == list(range(len(kept))):
            return slice(0, len(kept))
        return kept


@dataclass(frozen=True)
class Attribute:
    """An integer attribute of one of the user's modules that follows the size of an axis (`groups`, `in_features`).

    `position` is the index within a tuple-valued attribute (`normalized_shape`), or None for a plain integer. The axis
    has `scale` times the attribute's value.
    """

    module: str
    name: str
    axis: Axis
    position: int | None = None
    scale: int = 1


@dataclass(frozen=True)
class Block:
    """A block that a depth dimension drops: it is present where the dimension has at least the value `at_least`."""

    path: str
    dimension: str
    at_least: int


@dataclass(frozen=True)
class Frozen:
    """Something of the model that did not become elastic, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Structure:
    """All that tracing found: `axes` holds one entry per axis of every parameter and buffer, by state-dict key."""

    space: Space
    axes: Mapping[str, tuple[Axis, ...]]
    attributes: tuple[Attribute, ...]
    blocks: tuple[Block, ...]
    frozen: tuple[Frozen, ...]

    def shape(self, tensor: str, config: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape of a parameter or buffer in a member."""
        return tuple(axis.size(config) for axis in self.axes[tensor])

    def dropped_blocks(self, config: Mapping[str, int]) -> tuple[str, ...]:
        """Return the module paths of the blocks that the member leaves out."""
        return tuple(block.path for block in self.blocks if config[block.dimension] < block.at_least)

    def keeps(self, tensor: str, config: Mapping[str, int]) -> bool:
        """Say whether the member holds this parameter or buffer at all."""
        return not any(tensor.startswith(path + ".") for path in self.dropped_blocks(config))

    def without(self, dimension: str, reason: str) -> "Structure":
        """Return the structure with one dimension frozen at its largest value, for the given reason."""

        def freeze(axis: Axis) -> Axis:
            if dimension not in axis.dimensions:
                return axis
            return Axis(
                tuple(
                    tuple(Factor(factor.full) if factor.dimension == dimension else factor for factor in segment)
                    for segment in axis.segments
                )
            )

        kept = [
            _without_parent(entry, self.space[dimension]) for entry in self.space.dimensions if entry.name != dimension
        ]
        return Structure(
            Space(kept),
            {name: tuple(freeze(axis) for axis in axes) for name, axes in self.axes.items()},
            tuple(replace(entry, axis=freeze(entry.axis)) for entry in self.attributes),
            tuple(block for block in self.blocks if block.dimension != dimension),
            (*self.frozen, Frozen(dimension, reason)),
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
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SuppleError(f"This is no structure of a family: {error}.") from None


def _without_parent(dimension: Dimension, parent: Dimension) -> Dimension:
    """Return the dimension as it hangs in the forest without `parent`."""
    if dimension.condition is None or dimension.condition.parent != parent.name:
        return dimension
    return replace(dimension, condition=parent.condition)


def _axis_to_json(axis: Axis) -> list[list[list[int | str | None]]]:
    return [[[factor.full, factor.dimension] for factor in segment] for segment in axis.segments]


def _axis_from_json(segments: Any, space: Space) -> Axis:
    axis = Axis(tuple(tuple(_factor_from_json(factor, space) for factor in segment) for segment in segments))
    if not axis.segments or not all(axis.segments):
        raise ValueError("an axis needs at least one segment, and a segment at least one factor")
    return axis


def _factor_from_json(factor: Any, space: Space) -> Factor:
    full, dimension = factor
    if dimension is not None and _dimension(dimension, space).largest != full:
        raise ValueError(f'dimension "{dimension}" does not end at the size of the axis, {full}')
    return Factor(_number(full), dimension)


def _attribute_from_json(entry: Any, space: Space) -> Attribute:
    position = None if entry["position"] is None else _number(entry["position"])
    axis = _axis_from_json(entry["axis"], space)
    return Attribute(_text(entry["module"]), _text(entry["name"]), axis, position, _number(entry["scale"]))


def _block_from_json(entry: Any, space: Space) -> Block:
    return Block(_text(entry["path"]), _dimension(entry["dimension"], space).name, _number(entry["at_least"]))


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
