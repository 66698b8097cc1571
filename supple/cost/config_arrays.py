"""Many configs at once, as arrays: one row per config, one column per dimension, in the order of the space."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.errors import SuppleError
from supple.space import Config, Space

_LARGEST_LOOKUP = 1 << 20


def values_of(space: Space, configs: Iterable[Config]) -> NDArray[np.int64]:
    """Return the values of configs, (configs, dimensions). Raises `SuppleError` for a config of another space."""
    rows = [[space.check(config)[entry.name] for entry in space.dimensions] for config in configs]
    return np.asarray(rows, np.int64).reshape(len(rows), len(space))


def configs_of(space: Space, values: NDArray[Any]) -> list[Config]:
    """Return the configs of an array of values, (configs, dimensions).

    Dimensions that do not reach a member take their largest value. Raises `SuppleError` for a value that a dimension
    lacks.
    """
    names = [entry.name for entry in space.dimensions]
    return [space.config(dict(zip(names, map(int, row), strict=True))) for row in _checked(space, values)]


def random_values(space: Space, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the values of random configs, (count, dimensions), each dimension by itself uniformly.

    `Space.sample` draws uniformly over members instead, one at a time.
    """
    columns = [rng.choice(np.asarray(entry.values, np.int64), count) for entry in space.dimensions]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0), np.int64)


def positions_of(space: Space, values: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Return for each dimension the positions of the values among its own, (configs,).

    `values`: (configs, dimensions). Raises `SuppleError` for a value that a dimension lacks.
    """
    array = _checked(space, values)
    return [_positions(entry.name, entry.values, array[:, column]) for column, entry in enumerate(space.dimensions)]


def _checked(space: Space, values: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != len(space) or not np.issubdtype(array.dtype, np.integer):
        raise SuppleError(
            f"Configs as an array are whole numbers of shape (configs, {len(space)}), a column per dimension, "
            f"not {array.dtype} of shape {tuple(array.shape)}."
        )
    return array


def _positions(name: str, values: Sequence[int], column: NDArray[Any]) -> NDArray[np.intp]:
    smallest, largest = min(values), max(values)
    if largest - smallest < _LARGEST_LOOKUP:
        # A table over the whole range is several times as fast as a search. What lies outside it meets a gap.
        lookup = np.full(largest - smallest + 2, -1, np.intp)
        lookup[np.asarray(values) - smallest] = np.arange(len(values))
        inside = (column >= smallest) & (column <= largest)
        positions = lookup[np.where(inside, column - smallest, largest - smallest + 1)]
    else:
        order = np.argsort(values)
        found = np.searchsorted(np.asarray(values)[order], np.clip(column, smallest, largest))
        positions = np.where(np.asarray(values)[order][found] == column, order[found], -1)
    if column.size and positions.min() < 0:
        wrong = int(column[int(np.argmin(positions))])
        raise SuppleError(f'Dimension "{name}" has no value {wrong}: it can be {", ".join(map(str, values))}.')
    return positions
