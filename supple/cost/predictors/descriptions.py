"""What is known of configs before they are measured: the rows that a latency predictor works on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supple.errors import SuppleError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Descriptions:
    """One row for each config; each of the three parts may have no columns.

    `features` (configs, features) say what the config is: levels of dimensions, options as 0 or 1. `costs` (configs,
    costs) are positive numbers that a latency may grow with: MACs, memory traffic, the sum of an operator table.
    `sources` (configs, devices) are the latencies of the same configs on other devices in ms, measured or predicted.
    """

    features: Array
    costs: Array
    sources: Array

    @classmethod
    def of(
        cls, features: ArrayLike, costs: ArrayLike | None = None, sources: ArrayLike | None = None
    ) -> "Descriptions":
        """Return the descriptions of configs.

        Raises `SuppleError` where the parts differ in rows, a value is not finite, or a cost or source latency is not
        positive.
        """
        first = _matrix("features", features)
        nothing = np.zeros((len(first), 0))
        described = cls(
            first,
            nothing if costs is None else _matrix("costs", costs),
            nothing if sources is None else _matrix("sources", sources),
        )
        for name, part in (("costs", described.costs), ("sources", described.sources)):
            if len(part) != len(first):
                raise SuppleError(
                    f"The {name} have {len(part)} rows, but the features have {len(first)}: one per config."
                )
            if (part <= 0).any():
                raise SuppleError(f"The {name} must be positive numbers; the smallest is {part.min():g}.")
        return described

    def __len__(self) -> int:
        return len(self.features)

    @property
    def widths(self) -> tuple[int, int, int]:
        """The numbers of features, costs and sources."""
        return self.features.shape[1], self.costs.shape[1], self.sources.shape[1]

    def take(self, rows: ArrayLike) -> "Descriptions":
        """Return the descriptions of some configs, by their row numbers."""
        chosen = np.asarray(rows, dtype=np.intp)
        return Descriptions(self.features[chosen], self.costs[chosen], self.sources[chosen])

    def with_sources(self, latency_ms: ArrayLike) -> "Descriptions":
        """Return the same configs with other latencies on other devices, (configs, devices) in ms."""
        return Descriptions.of(self.features, self.costs, latency_ms)

    def without_sources(self) -> "Descriptions":
        """Return the same configs as if nothing were known of other devices."""
        return replace(self, sources=np.zeros((len(self), 0)))


def checked_latencies(latency_ms: ArrayLike, count: int) -> Array:
    """Return latencies in ms as an array. Raises `SuppleError` unless there are `count`, all positive and finite."""
    latencies = np.asarray(latency_ms, dtype=np.float64)
    if latencies.shape != (count,):
        raise SuppleError(f"There are {count} configs, but the latencies have the shape {list(latencies.shape)}.")
    if not np.isfinite(latencies).all() or (latencies <= 0).any():
        raise SuppleError("Latencies must be positive numbers of ms; one of those given is not.")
    return latencies


def _matrix(name: str, values: ArrayLike) -> Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2:
        raise SuppleError(f"The {name} must be a table of configs and columns, not of shape {list(matrix.shape)}.")
    if not np.isfinite(matrix).all():
        raise SuppleError(f"The {name} hold a value that is not a finite number.")
    return matrix
