"""Tests of the interval of a median."""

import math

import pytest

from supple.cost.interval import is_within, median_interval


@pytest.mark.parametrize("count", [6, 7, 11, 12, 50, 101])
def test_the_interval_holds_the_median_with_95_percent_and_no_narrower_one_does(count):
    def coverage(first):
        # The interval from the value at `first` to its mirror misses the median where at most `first` values, out of
        # `count` fair coin throws, lie on one side of it.
        return 1 - 2 * sum(math.comb(count, k) for k in range(first + 1)) / 2**count

    low, high = median_interval(range(count))
    assert high == count - 1 - low
    assert coverage(low) >= 0.95
    assert coverage(low + 1) < 0.95


def test_the_interval_of_very_few_values_is_their_range():
    assert median_interval([1.0, 2.0, 5.0]) == (1.0, 5.0)


def test_an_interval_is_narrow_where_both_ends_are_near():
    assert is_within(9.8, 10.0, 10.2, 0.02)
    assert not is_within(9.7, 10.0, 10.0, 0.02)
    assert not is_within(10.0, 10.0, 10.3, 0.02)
