"""The interval that holds the median of what a sample was drawn from, whatever its distribution."""

import math
from collections.abc import Sequence
from functools import cache

_CONFIDENCE = 0.95


def median_interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % confidence interval of the median of an ordered sample, by order statistics.

    The number of values below the median is binomial, whatever the distribution. Of fewer than 6 values even the
    whole range is less certain than that; it is returned nevertheless.
    """
    outside = _values_outside(len(ordered))
    return ordered[outside], ordered[-1 - outside]


@cache
def _values_outside(count: int) -> int:
    """Return how many values lie outside the interval at either end of a sample of `count`."""
    # The largest k with P(fewer than k values lie below the median) <= 2.5 %; the interval begins at the k-th value.
    probability = 0.0
    for k in range(count // 2 + 1):
        probability += math.comb(count, k) / 2**count
        if probability > (1 - _CONFIDENCE) / 2:
            return max(k - 1, 0)
    return 0


def is_within(low: float, middle: float, high: float, precision: float) -> bool:
    """Return whether both ends of an interval are at most a share `precision` of its middle away from it."""
    return max(high - middle, middle - low) <= precision * middle
