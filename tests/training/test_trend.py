"""A running mean that forgets."""

import pytest

from supple.training.trend import Trend


def test_nothing_has_no_mean():
    assert Trend(0.9).mean is None


def test_the_newest_value_weighs_most():
    trend = Trend(0.5)
    for value in (4.0, 1.0):
        trend.add(value)
    assert trend.mean == pytest.approx((0.5 * 4 + 1) / 1.5)


def test_a_restored_trend_goes_on():
    trend, restored = Trend(0.5), Trend(0.5)
    trend.add(3.0)
    restored.load_state(trend.state())
    for one in (trend, restored):
        one.add(7.0)
    assert restored.mean == trend.mean
