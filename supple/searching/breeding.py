"""Thousands of configs at once, as arrays of values: random ones, offspring, evolution on predicted figures."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from supple.cost.config_arrays import positions_of, random_values
from supple.searching.dominance import crowding, front_ranks
from supple.searching.predictors.encoder import ABSENT, Encoder
from supple.searching.problem import Floats, Values
from supple.space import Kind, Space

_SMALL_SPACE = 20_000
_CROSSED = 0.5
_CHANGES = 2.0
"""How many values of a child are drawn anew, on average."""
_IN_ONE_PRECISION = 0.25
"""The share of random members and of children whose layers all have as few bits, or as many, as they can have."""

Losses = Callable[[Values], Floats]
"""Returns what is expected of configs, (configs, objectives): less is better in every column."""


class Breeder:
    """Makes configs of one space, all of them proper: what does not reach a member is at its largest value."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.encoder = Encoder(space)
        self._tables = [np.array(entry.values, np.int64) for entry in space.dimensions]
        self._largest = np.array([entry.largest for entry in space.dimensions], np.int64)
        self._smallest = np.array([entry.smallest for entry in space.dimensions], np.int64)
        self._bits = np.array([entry.kind is Kind.BITS for entry in space.dimensions], bool)

    @cached_property
    def all(self) -> Values | None:
        """The values of every member of a small space, or None where there are too many."""
        if self.space.count() > _SMALL_SPACE:
            return None
        rows = [[config[entry.name] for entry in self.space.dimensions] for config in self.space]
        return np.array(rows, np.int64).reshape(len(rows), len(self.space))

    def proper(self, values: Values) -> Values:
        """Return the same members by their proper values."""
        return np.where(self.encoder.encode(values).states == ABSENT, self._largest, values)

    def random(self, count: int, rng: np.random.Generator) -> Values:
        """Return random members, small, large and mixed: each prefers small or large values, more or less.

        Uniformly drawn members of many dimensions nearly all cost about the same.
        """
        drawn = random_values(self.space, count, rng)
        tilt = rng.uniform(-1, 1, (count, 1))
        again = random_values(self.space, count, rng)
        higher = np.maximum(self._positions(drawn), self._positions(again))
        lower = np.minimum(self._positions(drawn), self._positions(again))
        tilted = rng.random(drawn.shape) < np.abs(tilt)
        positions = np.where(tilted, np.where(tilt > 0, higher, lower), self._positions(drawn))
        return self.proper(self._some_in_one_precision(self._values(positions), rng))

    def children(self, parents: Values, count: int, rng: np.random.Generator) -> Values:
        """Return members that mix two parents each, or none, with a few values drawn anew."""
        one, other = (parents[rng.integers(0, len(parents), count)] for _ in range(2))
        mixed = np.where((rng.random((count, 1)) < _CROSSED) & (rng.random(one.shape) < 0.5), other, one)
        rate = min(_CHANGES / max(1, one.shape[1]), 0.5)
        fresh = random_values(self.space, count, rng)
        changed = np.where(rng.random(one.shape) < rate, fresh, mixed)
        return self.proper(self._some_in_one_precision(changed, rng))

    def evolved(
        self, start: Values, losses: Losses, rng: np.random.Generator, generations: int, population: int
    ) -> Values:
        """Return a population that is good by the losses, the best first: by rank of fronts, then by crowding.

        Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002.
        """
        alive = start
        for _ in range(generations):
            grown = np.unique(np.concatenate([alive, self.children(alive, 2 * population, rng)]), axis=0)
            alive = grown[best_first(losses(grown))[:population]]
        return alive

    def _some_in_one_precision(self, values: Values, rng: np.random.Generator) -> Values:
        """Return members some of which have all layers in the fewest bits, or in the most.

        Of many layers, changes one by one hardly ever come to either, and one of them is often the best.
        """
        if self._bits.sum() < 2:
            return values
        which = rng.random((len(values), 1))
        fewest = np.where(self._bits & (which < _IN_ONE_PRECISION / 2), self._smallest, values)
        return np.where(self._bits & (which > 1 - _IN_ONE_PRECISION / 2), self._largest, fewest)

    def _positions(self, values: Values) -> NDArray[np.intp]:
        return np.stack(positions_of(self.space, values), axis=1) if len(self.space) else values.astype(np.intp)

    def _values(self, positions: NDArray[np.intp]) -> Values:
        columns = [table[positions[:, column]] for column, table in enumerate(self._tables)]
        return np.stack(columns, axis=1) if columns else positions.astype(np.int64)


def best_first(losses: Floats) -> NDArray[np.intp]:
    """Return the order of points by the rank of their front, and within a front by crowding, the loneliest first."""
    ranks = front_ranks(losses)
    alone = np.zeros(len(losses))
    for rank in np.unique(ranks):
        members = np.flatnonzero(ranks == rank)
        alone[members] = crowding(losses[members])
    return np.lexsort((-alone, ranks))


def without(values: Values, known: Values) -> Values:
    """Return the rows that are not among the known ones."""
    seen = {row.tobytes() for row in np.ascontiguousarray(known, np.int64)}
    kept = [row.tobytes() not in seen for row in np.ascontiguousarray(values, np.int64)]
    return values[np.array(kept, bool)] if len(values) else values
