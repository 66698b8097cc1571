"""Sums of terms that depend on a few dimensions each, as lookup tables: fast for very many configs."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.cost.sizes import Values
from supple.space import Space

LARGEST_TABLE = 1 << 15
"""How many entries a table may have: it should stay in a processor's cache."""

CONFIGS_AT_ONCE = 1 << 15
"""The positions and sums of so many configs stay in a processor's cache."""

Formula = Callable[[Values], NDArray[Any]]


@dataclass(frozen=True)
class Term:
    """A cost that depends on some dimensions: from their values, arrays that broadcast, to what it adds."""

    dimensions: frozenset[str]
    formula: Formula


class Tables:
    """The sum of many terms, looked up by the positions of values among those of their dimensions."""

    def __init__(self, space: Space, terms: Iterable[Term]) -> None:
        self._space = space
        self._columns = {entry.name: column for column, entry in enumerate(space.dimensions)}
        self._tables: list[tuple[list[int], list[int], NDArray[np.float64]]] = []
        # Terms of more dimensions than a table can have.
        self._formulas: list[Term] = []
        for dimensions, together in self._grouped(terms):
            if self._entries(dimensions) > LARGEST_TABLE:
                self._formulas.extend(together)
            else:
                self._tables.append(self._table(sorted(dimensions, key=self._columns.__getitem__), together))

    def __call__(self, positions: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.float64]:
        """Return the sum for each config, (count,); `positions` as `config_arrays.positions_of` gives them."""
        total = np.zeros(count)
        for columns, strides, table in self._tables:
            index: NDArray[np.intp] | int = 0
            for column, stride in zip(columns, strides, strict=True):
                index = index + positions[column] * stride
            total += table[index]
        if self._formulas:
            values = {
                entry.name: np.asarray(entry.values, np.float64)[positions[column]]
                for column, entry in enumerate(self._space.dimensions)
            }
            for term in self._formulas:
                total += term.formula(values)
        return total

    def _entries(self, dimensions: Iterable[str]) -> int:
        return math.prod(len(self._space[name].values) for name in dimensions)

    def _grouped(self, terms: Iterable[Term]) -> list[tuple[frozenset[str], list[Term]]]:
        """Return the terms in groups that share a table: as few tables as small ones can be."""
        groups: dict[frozenset[str], list[Term]] = {}
        for term in terms:
            groups.setdefault(term.dimensions, []).append(term)
        merged: list[tuple[frozenset[str], list[Term]]] = []
        for dimensions, together in sorted(groups.items(), key=lambda group: -len(group[0])):
            for place, (others, before) in enumerate(merged):
                if dimensions <= others or self._entries(dimensions | others) <= LARGEST_TABLE:
                    merged[place] = (dimensions | others, [*before, *together])
                    break
            else:
                merged.append((dimensions, together))
        return merged

    def _table(self, names: list[str], terms: list[Term]) -> tuple[list[int], list[int], NDArray[np.float64]]:
        shape = [len(self._space[name].values) for name in names]
        values = {
            name: np.asarray(self._space[name].values, np.float64).reshape(
                [-1 if axis == place else 1 for axis in range(len(names))]
            )
            for place, name in enumerate(names)
        }
        table = np.zeros(shape)
        for term in terms:
            table += term.formula(values)
        strides = [math.prod(shape[place + 1 :]) for place in range(len(names))]
        return [self._columns[name] for name in names], strides, table.reshape(-1)
