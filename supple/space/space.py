"""A space: all dimensions of a family, the conditions among them, and the configs that they make."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from supple.errors import SuppleError, nearest
from supple.space.config import Config
from supple.space.cost_sampling import Cost, sample_near_cost, sample_over_cost
from supple.space.counting import MemberCounter
from supple.space.dimension import Condition, Dimension, Kind


class Space:
    """All dimensions of a family; some matter only where others have certain values.

    Members are counted and drawn exactly, however many there are.
    """

    def __init__(self, dimensions: Iterable[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self._by_name = {dimension.name: dimension for dimension in self.dimensions}
        if len(self._by_name) != len(self.dimensions):
            raise SuppleError("Two dimensions of one space have the same name.")
        self._largest = {entry.name: entry.largest for entry in self.dimensions}
        self._values = {entry.name: {value: value for value in entry.values} for entry in self.dimensions}
        parents = {entry.name: [condition.parent for condition in entry.conditions] for entry in self.dimensions}
        for name, above in parents.items():
            for parent in above:
                if parent not in self._by_name:
                    raise SuppleError(f'Dimension "{name}" hangs on "{parent}", which the space does not have.')
        try:
            # Every dimension stands after those that it hangs on.
            self._ordered = [self._by_name[name] for name in TopologicalSorter(parents).static_order()]
        except CycleError:
            raise SuppleError("The conditions of the dimensions go round in a circle.") from None

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
            if name not in self._values:
                raise SuppleError(f'The space has no dimension "{name}"{nearest(str(name), self._by_name)}')
            if value not in self._values[name]:
                raise SuppleError(
                    f'Dimension "{name}" has no value {value!r}: it can be {_listed(self._by_name[name].values)}.'
                )
        active: dict[str, int] = {}
        for dimension in self._ordered:
            if not dimension.conditions or _hold(dimension.conditions, active):
                value = values.get(dimension.name, dimension.largest)
                # The dimension's own integer: what is equal to it (8.0, True) may become other JSON.
                active[dimension.name] = self._values[dimension.name][value]
        return Config(self.digest, self._largest | active, is_proper=True)

    def check(self, config: Config) -> Config:
        """Return the config if it belongs to this space; raise `SuppleError`, naming both spaces, if it does not."""
        if not isinstance(config, Config):
            raise SuppleError(f"A config was expected, not {config!r:.200}: make one with space.config({{...}}).")
        if config.space != self.digest:
            raise SuppleError(f"The config belongs to space {config.space}, not to this one, {self.digest}.")
        if not config.is_proper:
            if (proper := self.config(config)) != config:
                raise SuppleError(f"The config sets dimensions of blocks that it drops; its proper form is {proper}.")
            # Nothing changes a config: what was read from a file is looked at once.
            config.is_proper = True
        return config

    def is_active(self, name: str, config: Mapping[str, int]) -> bool:
        """Say whether the dimension reaches the member of this config."""
        waiting = [name]
        seen = {name}
        while waiting:
            for condition in self._by_name[waiting.pop()].conditions:
                if not condition.allows(config[condition.parent]):
                    return False
                if condition.parent not in seen:
                    seen.add(condition.parent)
                    waiting.append(condition.parent)
        return True

    def max(self) -> Config:
        """Return the config of the user's own model."""
        return self._max

    def min(self) -> Config:
        """Return the config with every dimension at its smallest value."""
        return self._min

    def count(self) -> int:
        """Return the exact number of members."""
        return self._counter.count

    def sample(self, rng: random.Random, over: Cost | None = None) -> Config:
        """Draw one config: uniformly over the members, or over what they cost.

        `over` is a cost, such as `family.count_parameters`: from a config to a number that does not fall where a
        dimension grows. Then every cost between those of the smallest and the largest member is equally likely.
        """
        if over is not None:
            return sample_over_cost(self, rng, over)
        return self.config(self._counter.sample(rng))

    def sample_near(self, rng: random.Random, over: Cost, target: float, tolerance: float) -> Config:
        """Draw one config whose cost is at most `tolerance` from `target`, or as near as a few tries come.

        `over` is a cost as `sample` takes it. Members of one cost have many shapes.
        """
        return sample_near_cost(self, rng, over, target, tolerance)

    def neighbours(self, config: Config) -> Iterator[Config]:
        """Yield the configs that differ from this one by one step of one dimension that reaches the member.

        The options of a choice have no order: each is one step from every other.
        """
        self.check(config)
        for dimension in self.dimensions:
            if not self.is_active(dimension.name, config):
                continue
            index = dimension.values.index(config[dimension.name])
            is_operator = dimension.kind is Kind.OPERATOR
            for other, value in enumerate(dimension.values):
                if abs(other - index) == 1 or (is_operator and other != index):
                    yield self.config({**config, dimension.name: value})

    def __iter__(self) -> Iterator[Config]:
        """Yield every config once, the smallest first."""
        values = {dimension.name: dimension.smallest for dimension in self.dimensions}
        while True:
            yield self.config(values)
            for dimension in reversed(self._ordered):
                value = values[dimension.name]
                if value != dimension.largest and self.is_active(dimension.name, values):
                    values[dimension.name] = dimension.values[dimension.values.index(value) + 1]
                    break
                values[dimension.name] = dimension.smallest
            else:
                return

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

    @cached_property
    def _max(self) -> Config:
        return self.config({})

    @cached_property
    def _min(self) -> Config:
        return self.config({dimension.name: dimension.smallest for dimension in self.dimensions})

    @cached_property
    def _counter(self) -> MemberCounter:
        return MemberCounter(self.dimensions)


def _hold(conditions: Iterable[Condition], active: Mapping[str, int]) -> bool:
    """Say whether a dimension matters; `active` holds the values of the dimensions before it that do."""
    return all(condition.parent in active and condition.allows(active[condition.parent]) for condition in conditions)


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(str(value) for value in values)


def _dimension_to_json(dimension: Dimension) -> dict[str, Any]:
    return {
        "name": dimension.name,
        "kind": dimension.kind.value,
        "values": list(dimension.values),
        "conditions": [asdict(condition) for condition in dimension.conditions],
    }


def _dimension_from_json(entry: dict[str, Any]) -> Dimension:
    name, values, conditions = entry["name"], entry["values"], entry["conditions"]
    if not isinstance(name, str) or not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError("a dimension needs a name and a list of integer values")
    return Dimension(name, Kind(entry["kind"]), tuple(values), tuple(map(_condition_from_json, conditions)))


def _condition_from_json(entry: dict[str, Any]) -> Condition:
    parent, at_least, at_most = entry["parent"], entry["at_least"], entry["at_most"]
    if not isinstance(parent, str) or type(at_least) is not int or type(at_most) not in (int, type(None)):
        raise ValueError("a condition needs the name of its parent and the range of its values")
    return Condition(parent, at_least, at_most)
