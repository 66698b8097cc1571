"""Tests of the roofline model."""

import pytest

from supple.cost.roofline import Roofline, Timed, fit_roofline
from supple.errors import SuppleError


def test_an_operator_takes_the_longer_of_both_times():
    device = Roofline(macs_per_second=2e9, bytes_per_second=1e9)
    assert device.milliseconds(4e6, 1e6) == 2
    assert device.milliseconds(4e6, 5e6) == 5


def test_the_constants_of_a_device_are_found_again_in_spite_of_noise():
    device = Roofline(5e10, 8e9)
    shapes = [(1e6, 1e6), (1e9, 1e6), (5e8, 2e6), (0, 4e6), (1e5, 9e6), (2e9, 3e7), (3e8, 1e6)]
    noise = [1.03, 0.98, 1.0, 1.0, 1.02, 0.97, 3.0]
    found = fit_roofline(
        Timed(macs, traffic, device.milliseconds(macs, traffic) * factor)
        for (macs, traffic), factor in zip(shapes, noise, strict=True)
    )
    assert found.macs_per_second == pytest.approx(5e10, rel=0.03)
    assert found.bytes_per_second == pytest.approx(8e9, rel=0.03)


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ([Timed(1, 1, 1)], "two or more measured operators"),
        ([Timed(1, 1, 1), Timed(1, 1, 0)], "bytes and milliseconds above 0"),
        ([Timed(0, 1, 1), Timed(0, 2, 1)], "at least one multiplies"),
    ],
)
def test_too_little_to_fit_is_refused(measured, message):
    with pytest.raises(SuppleError, match=message):
        fit_roofline(measured)


def test_constants_are_positive():
    with pytest.raises(SuppleError, match="positive, not 0 multiply-accumulates"):
        Roofline(0, 1e9)
