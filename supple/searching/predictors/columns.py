"""The columns that the linear and the smooth predictors work on, in blocks of a common meaning."""

from dataclasses import dataclass

import numpy as np

from supple.searching.predictors.encoder import Array, Features


@dataclass(frozen=True)
class Scaling:
    """Brings free statistics to mean 0 and deviation 1 on the members that were evaluated."""

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, features: Features) -> "Scaling":
        """Return the scaling for evaluated members."""
        deviation = features.free.std(axis=0)
        # What hardly differs on the members that are known says nothing, and far away it would say too much.
        flat = deviation <= 1e-9 * np.maximum(1.0, np.abs(features.free).max(axis=0, initial=0.0))
        return cls(features.free.mean(axis=0), np.where(flat, np.inf, deviation))

    def __call__(self, features: Features) -> Array:
        """Return the scaled statistics, (configs, statistics)."""
        return np.asarray((features.free - self.mean) / self.deviation)


@dataclass(frozen=True)
class Blocks:
    """Named blocks of columns, each (configs, columns), divided so that a row's squares add up to about 1."""

    levels: dict[str, Array]
    totals: Array
    others: dict[str, Array]
    free: Array

    @classmethod
    def of(cls, features: Features, scaling: Scaling) -> "Blocks":
        """Return the blocks of some configs."""
        return cls(
            {
                kind.value: features.levels(kind) / np.sqrt(len(columns))
                for kind, columns in features.encoder.kinds.items()
            },
            features.totals(),
            {"curvatures": _divided(features.curvatures()), "absences": _divided(features.absences())},
            scaling(features),
        )

    def linear(self) -> list[Array]:
        """Return the blocks of which each may have an effect that adds up: the totals, and others with any columns."""
        return [self.totals, *_filled(*self.levels.values(), *self.others.values(), self.free)]

    def smooth(self) -> list[list[Array]]:
        """Return the groups of blocks of which a figure may be a smooth function: free statistics, and all."""
        groups = [_filled(self.free), _filled(*self.levels.values(), self.totals, self.free)]
        return [group for group in groups if group]


def _filled(*blocks: Array) -> list[Array]:
    return [block for block in blocks if block.shape[1]]


def _divided(columns: Array) -> Array:
    return np.asarray(columns / np.sqrt(max(1, columns.shape[1])))
