"""Configs as rows of features: one state per dimension, and what is known of members without evaluating them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supple.cost.config_arrays import positions_of, random_values, values_of
from supple.errors import SuppleError
from supple.space import Config, Dimension, Kind, Space

Array = NDArray[np.float64]
States = NDArray[np.int16]

ABSENT = -1
"""The state of a dimension that does not reach a member."""


class Encoder:
    """Turns configs of one space into features; what a dimension says is looked up in a small table of its states.

    The last row of each table is that of `ABSENT`. Dimensions of one kind stand in the order of the space, which is
    that of the network: so their trend along the network means something.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        names = [entry.name for entry in space.dimensions]
        self._columns = {name: column for column, name in enumerate(names)}

    def encode(self, configs: Iterable[Config] | NDArray[Any], free: ArrayLike | None = None) -> "Features":
        """Return the features of configs, given one by one or as an array of values, (configs, dimensions).

        `free` (configs, statistics) is what is known of each member without evaluating it, such as the logarithms of
        its parameters and MACs. Raises `SuppleError` for configs of another space, for a value that a dimension lacks,
        and for statistics of other configs or that are no finite numbers.
        """
        values = configs if isinstance(configs, np.ndarray) else values_of(self.space, configs)
        positions = positions_of(self.space, values)
        states = np.empty((len(values), len(self.space)), np.int16)
        for column, position in enumerate(positions):
            states[:, column] = position
        for column, reached in enumerate(self._reached(positions)):
            if reached is not None:
                states[~reached, column] = ABSENT
        return Features(self, states, _checked_free(free, len(states)))

    def _reached(self, positions: list[NDArray[np.intp]]) -> list[NDArray[np.bool_] | None]:
        """Return which members each dimension reaches, (configs,); None for all."""
        found: dict[str, NDArray[np.bool_] | None] = {}

        def of(entry: Dimension) -> NDArray[np.bool_] | None:
            if entry.name not in found:
                reached = None
                for condition in entry.conditions:
                    parent = self.space[condition.parent]
                    allowed = np.array([condition.allows(value) for value in parent.values])
                    holds = allowed[positions[self._columns[parent.name]]]
                    above = of(parent)
                    holds = holds if above is None else holds & above
                    reached = holds if reached is None else reached & holds
                found[entry.name] = reached
            return found[entry.name]

        return [of(entry) for entry in self.space.dimensions]

    @cached_property
    def kinds(self) -> dict[Kind, list[int]]:
        """The columns of the dimensions of each kind."""
        kinds: dict[Kind, list[int]] = {}
        for column, entry in enumerate(self.space.dimensions):
            kinds.setdefault(entry.kind, []).append(column)
        return kinds

    @cached_property
    def level_tables(self) -> list[Array]:
        """For each dimension, (states, columns): from -1 to 1 by position, 0 where absent; options have no order."""
        return [_levels(entry) for entry in self.space.dimensions]

    @cached_property
    def one_hot_tables(self) -> list[Array]:
        """For each dimension, (states, columns): one column per value, and one for absence where it can be absent."""
        tables = []
        for entry in self.space.dimensions:
            one_hot = np.eye(len(entry.values) + 1)
            tables.append(one_hot if entry.conditions else one_hot[:, :-1])
        return tables


@dataclass(frozen=True)
class Features:
    """What predictors know of configs, a row each: `states` (configs, dimensions) and `free` (configs, statistics).

    A state is the position of a value among those of its dimension, or `ABSENT`. The views are made when they are asked
    for: 100,000 configs are a few megabytes.
    """

    encoder: Encoder
    states: States
    free: Array

    def __len__(self) -> int:
        return len(self.states)

    def take(self, rows: ArrayLike) -> "Features":
        """Return the features of some configs, by their row numbers."""
        chosen = np.asarray(rows, dtype=np.intp)
        return Features(self.encoder, self.states[chosen], self.free[chosen])

    def in_parts(self, rows: int) -> "Iterable[Features]":
        """Yield the features of all configs, so many at once: views of 100,000 take more memory than is needed."""
        for start in range(0, len(self), rows):
            yield Features(self.encoder, self.states[start : start + rows], self.free[start : start + rows])

    def one_hot(self) -> Array:
        """Return the state of each dimension as zeros and a one, absence included: (configs, columns)."""
        return self._looked_up(self.encoder.one_hot_tables, range(self.states.shape[1]))

    def curvatures(self) -> Array:
        """Return the values of ordered dimensions of more than two as zeros and a one: (configs, columns)."""
        curved = [
            column
            for column, entry in enumerate(self.encoder.space.dimensions)
            if entry.kind is not Kind.OPERATOR and len(entry.values) > 2
        ]
        return self._looked_up(
            [
                table[:, : len(entry.values)]
                for table, entry in zip(self.encoder.one_hot_tables, self.encoder.space.dimensions, strict=True)
            ],
            curved,
        )

    def levels(self, kind: Kind) -> Array:
        """Return the levels of the dimensions of one kind, (configs, columns), from -1 to 1."""
        return self._looked_up(self.encoder.level_tables, self.encoder.kinds[kind])

    def absences(self) -> Array:
        """Return which of the dimensions that can be absent are: (configs, columns) of zeros and ones."""
        able = [column for column, entry in enumerate(self.encoder.space.dimensions) if entry.conditions]
        return np.asarray(self.states[:, able] == ABSENT, dtype=np.float64)

    def totals(self) -> Array:
        """Return, for each kind with several dimensions, their mean level and its trend along the network.

        So a figure that depends on how much there is of a kind in all is learnt from few members.
        """
        columns = [np.zeros((len(self), 0))]
        for kind, dimensions in self.encoder.kinds.items():
            widths = {self.encoder.level_tables[column].shape[1] for column in dimensions}
            if len(dimensions) < 2 or len(widths) > 1:
                continue
            levels = self.levels(kind).reshape(len(self), len(dimensions), -1)
            columns.append(levels.mean(axis=1))
            if len(dimensions) > 2:
                along = np.linspace(-1, 1, len(dimensions))
                columns.append(np.einsum("nde,d->ne", levels, along) / len(dimensions))
        return np.concatenate(columns, axis=1)

    def ordinal(self) -> Array:
        """Return the states as numbers, options as zeros and a one: (configs, columns), for trees."""
        kinds = self.encoder.kinds
        options = kinds.get(Kind.OPERATOR, [])
        ordered = [column for kind, columns in kinds.items() if kind is not Kind.OPERATOR for column in columns]
        return np.concatenate(
            [self.states[:, ordered], self._looked_up(self.encoder.one_hot_tables, options)], axis=1, dtype=np.float64
        )

    def _looked_up(self, tables: list[Array], columns: Iterable[int]) -> Array:
        found = [tables[column][self.states[:, column]] for column in columns]
        return np.concatenate([np.zeros((len(self), 0)), *found], axis=1)


def random_features(
    encoder: Encoder, count: int, seed: int, free: Callable[[NDArray[np.int64]], ArrayLike] | None = None
) -> Features:
    """Return the features of random configs, each dimension by itself uniformly.

    `free` gives the statistics (configs, statistics) of an array of values, (configs, dimensions).
    """
    values = random_values(encoder.space, count, np.random.default_rng(seed))
    return encoder.encode(values, None if free is None else free(values))


def _levels(entry: Dimension) -> Array:
    count = len(entry.values)
    if entry.kind is Kind.OPERATOR:
        return np.vstack([np.eye(count) - 1 / count, np.zeros((1, count))])
    levels = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    return np.append(levels, 0.0)[:, None]


def _checked_free(free: ArrayLike | None, count: int) -> Array:
    if free is None:
        return np.zeros((count, 0))
    array = np.asarray(free, dtype=np.float64)
    if array.ndim != 2 or len(array) != count:
        raise SuppleError(
            f"Free statistics are a row per config, of shape ({count}, statistics), not {list(array.shape)}."
        )
    if not np.isfinite(array).all():
        raise SuppleError("The free statistics hold a value that is not a finite number.")
    return array
