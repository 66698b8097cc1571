"""A space: all dimensions of a family, the conditions among them, and the configs that they make."""

import hashlib
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from supple.errors import SuppleError, nearest
from supple.space.config import Config
from supple.space.dimension import Condition, Dimension, Kind


class Space:
    """All dimensions of a family.

    Conditions make a forest: a dimension hangs on at most one other. So members are counted and drawn exactly,
    however many there are.
    """

    def __init__(self, dimensions: Iterable[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self._by_name = {dimension.name: dimension for dimension in self.dimensions}
        if len(self._by_name) != len(self.dimensions):
            raise SuppleError("Two dimensions of one space have the same name.")
        self._children: dict[str | None, list[Dimension]] = {None: []}
        for dimension in self.dimensions:
            parent = dimension.condition.parent if dimension.condition else None
            if parent is not None and parent not in self._by_name:
                raise SuppleError(f'Dimension "{dimension.name}" hangs on "{parent}", which the space does not have.')
            self._children.setdefault(parent, []).append(dimension)
        if len(list(self._from_the_roots())) != len(self.dimensions):
            raise SuppleError("The conditions of the dimensions go round in a circle.")

    def __getitem__(self, name: str) -> Dimension:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self.dimensions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.dimensions == other.dimensions

    def __hash__(self) -> int:
        return hash(self.dimensions)

    def __repr__(self) -> str:
        return f"Space({len(self.dimensions)} dimensions, {self.count():,} members)"

    @cached_property
    def digest(self) -> str:
        """A short name of this space, made of its content: configs carry it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def config(self, values: Mapping[str, int]) -> Config:
        """Return the config with these values; dimensions left out take their largest value.

        Raises `SuppleError` for an unknown dimension (with the nearest name) or a value that a dimension lacks.
        """
        for name, value in values.items():
            if name not in self._by_name:
                raise SuppleError(f'The space has no dimension "{name}"{nearest(name, self._by_name)}')
            if value not in self._by_name[name].values:
                raise SuppleError(
                    f'Dimension "{name}" has no value {value}: it can be {_listed(self._by_name[name].values)}.'
                )
        chosen: dict[str, int] = {}
        for dimension in self._from_the_roots():
            value = values.get(dimension.name, dimension.largest)
            chosen[dimension.name] = value if self._holds(dimension.condition, chosen) else dimension.largest
        return Config(self.digest, {dimension.name: chosen[dimension.name] for dimension in self.dimensions})

    def check(self, config: Config) -> Config:
        """Return the config if it belongs to this space; raise `SuppleError`, naming both spaces, if it does not."""
        if config.space != self.digest:
            raise SuppleError(f"The config belongs to space {config.space}, not to this one, {self.digest}.")
        canonical = self.config(config)
        if canonical != config:
            raise SuppleError(f"The config sets dimensions of blocks that it drops; its proper form is {canonical}.")
        return config

    def is_active(self, name: str, config: Mapping[str, int]) -> bool:
        """Say whether the dimension reaches the member of this config."""
        condition = self._by_name[name].condition
        return condition is None or (
            config[condition.parent] >= condition.at_least and self.is_active(condition.parent, config)
        )

    def max(self) -> Config:
        """Return the config of the user's own model."""
        return self._max

    def min(self) -> Config:
        """Return the config with every dimension at its smallest value."""
        return self.config({dimension.name: dimension.smallest for dimension in self.dimensions})

    def count(self) -> int:
        """Return the exact number of members."""
        return math.prod(self._count_below(root) for root in self._children[None])

    def sample(self, rng: random.Random) -> Config:
        """Draw one config; every member is equally likely."""
        values: dict[str, int] = {}
        stack = list(reversed(self._children[None]))
        while stack:
            dimension = stack.pop()
            weights = [self._count_with(dimension, value) for value in dimension.values]
            # Exact for counts of any size: an integer below their sum, never a floating-point weight.
            position = rng.randrange(sum(weights))
            index = 0
            while position >= weights[index]:
                position -= weights[index]
                index += 1
            values[dimension.name] = dimension.values[index]
            stack.extend(reversed(self._active_children(dimension, dimension.values[index])))
        return self.config(values)

    def neighbours(self, config: Config) -> Iterator[Config]:
        """Yield the configs that differ from this one by one step of one dimension that reaches the member."""
        self.check(config)
        for dimension in self.dimensions:
            if not self.is_active(dimension.name, config):
                continue
            index = dimension.values.index(config[dimension.name])
            for step in (-1, 1):
                if 0 <= index + step < len(dimension.values):
                    yield self.config({**config, dimension.name: dimension.values[index + step]})

    def __iter__(self) -> Iterator[Config]:
        """Yield every config once, the smallest first."""
        for values in self._enumerate(self._children[None]):
            yield self.config(values)

    def to_json(self) -> str:
        """Return the space as one line of JSON."""
        return json.dumps([_dimension_to_json(dimension) for dimension in self.dimensions])

    @classmethod
    def from_json(cls, text: str) -> "Space":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            return cls(_dimension_from_json(entry) for entry in json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SuppleError(f"This is no space: {error}.") from None

    def _holds(self, condition: Condition | None, chosen: Mapping[str, int]) -> bool:
        if condition is None:
            return True
        above = self._by_name[condition.parent].condition
        return chosen[condition.parent] >= condition.at_least and self._holds(above, chosen)

    def _from_the_roots(self) -> Iterator[Dimension]:
        queue = list(self._children[None])
        while queue:
            dimension = queue.pop(0)
            yield dimension
            queue.extend(self._children.get(dimension.name, []))

    def _active_children(self, dimension: Dimension, value: int) -> list[Dimension]:
        return [
            child
            for child in self._children.get(dimension.name, [])
            if child.condition is not None and value >= child.condition.at_least
        ]

    def _count_with(self, dimension: Dimension, value: int) -> int:
        return math.prod(self._count_below(child) for child in self._active_children(dimension, value))

    def _count_below(self, dimension: Dimension) -> int:
        if dimension.name not in self._counts:
            self._counts[dimension.name] = sum(self._count_with(dimension, value) for value in dimension.values)
        return self._counts[dimension.name]

    @cached_property
    def _max(self) -> Config:
        return self.config({})

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {}

    def _enumerate(self, dimensions: list[Dimension]) -> Iterator[dict[str, int]]:
        if not dimensions:
            yield {}
            return
        first, rest = dimensions[0], dimensions[1:]
        for value in first.values:
            for below in self._enumerate(self._active_children(first, value)):
                for others in self._enumerate(rest):
                    yield {first.name: value, **below, **others}


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(str(value) for value in values)


def _dimension_to_json(dimension: Dimension) -> dict[str, Any]:
    condition = dimension.condition
    return {
        "name": dimension.name,
        "kind": dimension.kind.value,
        "values": list(dimension.values),
        "condition": None if condition is None else {"parent": condition.parent, "at_least": condition.at_least},
    }


def _dimension_from_json(entry: dict[str, Any]) -> Dimension:
    condition = entry["condition"]
    if not isinstance(entry["name"], str) or not all(type(value) is int for value in entry["values"]):
        raise ValueError("a dimension needs a name and integer values")
    return Dimension(
        entry["name"],
        Kind(entry["kind"]),
        tuple(entry["values"]),
        None if condition is None else Condition(str(condition["parent"]), int(condition["at_least"])),
    )
