"""Sizes of axes as formulas of the config, found from runs in which dimensions shrink one at a time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[Any]]
"""For each dimension the values of many configs, in arrays that broadcast with each other."""


@dataclass(frozen=True)
class Effect:
    """What one dimension makes of a size while the others are at their largest: at `values` it is `sizes`.

    In between it is linear.
    """

    dimension: str
    values: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """The size of an axis: `full` in the whole network.

    Several dimensions multiply (heads and their size) or add (the parts of a concatenation).
    """

    full: int
    effects: tuple[Effect, ...] = ()
    adds: bool = False

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions that the size depends on."""
        return frozenset(effect.dimension for effect in self.effects)

    def at(self, values: Values) -> NDArray[np.float64]:
        """Return the sizes in the members of many configs, whole numbers."""
        found = np.asarray(float(self.full))
        for effect in self.effects:
            alone = np.interp(values[effect.dimension], effect.values, effect.sizes)
            found = found + (alone - self.full) if self.adds else found * (alone / self.full)
        # A product of ratios is whole up to rounding.
        whole: NDArray[np.float64] = np.rint(found)
        return whole

    def of(self, config: Mapping[str, int]) -> int:
        """Return the size in one member."""
        return int(self.at({effect.dimension: np.asarray(config[effect.dimension]) for effect in self.effects}))


def fit_size(full: int, effects: Sequence[Effect], seen: Sequence[tuple[Mapping[str, int], int]]) -> Size | None:
    """Return the formula that gives the sizes seen in some members, None where neither sum nor product does."""
    candidates = [Size(full, tuple(effects))]
    if len(effects) > 1:
        candidates.append(Size(full, tuple(effects), adds=True))
    for candidate in candidates:
        if all(candidate.of(config) == size for config, size in seen):
            return candidate
    return None


def product_at(sizes: Sequence[Size], values: Values) -> NDArray[np.float64]:
    """Return the product of several sizes in the members of many configs."""
    constant = math.prod(size.full for size in sizes if not size.effects)
    found: NDArray[np.float64] = np.asarray(float(constant))
    for size in sizes:
        if size.effects:
            found = found * size.at(values)
    return found
