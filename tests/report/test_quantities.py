"""Figures are called and shown as a person would."""

import pytest

from supple.report.quantities import Quantity

TARGET = "onnxruntime:cpu?threads=1"


@pytest.mark.parametrize(
    ("figure", "name", "axis", "shown"),
    [
        ("accuracy", "accuracy", "accuracy in %", "91.25 %"),
        (f"latency_ms on {TARGET}", f"latency on {TARGET}", f"latency in ms on {TARGET}", "0.912 ms"),
        (f"energy_mj on {TARGET}", f"energy on {TARGET}", f"energy in mJ on {TARGET}", "0.912 mJ"),
        ("root mean squared error", "root mean squared error", "root mean squared error", "0.912"),
        ("my_own", "my own", "my own", "0.912"),
    ],
)
def test_names_axes_and_values(figure, name, axis, shown):
    quantity = Quantity(figure)
    assert (quantity.name, quantity.axis, quantity.shown(0.9125)) == (name, axis, shown)


@pytest.mark.parametrize(
    ("figure", "shown"), [("macs", "1.23 M"), ("parameters", "1.23 M"), ("peak_memory_bytes", "1.18 MiB")]
)
def test_counts_and_sizes(figure, shown):
    assert Quantity(figure).shown(1_234_567.0) == shown


def test_the_only_target_need_not_be_named():
    quantity = Quantity(f"latency_ms on {TARGET}", names_target=False)
    assert (quantity.name, quantity.axis) == ("latency", "latency in ms")


@pytest.mark.parametrize(
    ("figure", "value", "shown"),
    [("accuracy", 0.0125, "+1.25 points"), ("accuracy", -0.0125, "-1.25 points"), ("perplexity", -2.0, "-2.00")],
)
def test_differences_have_a_sign(figure, value, shown):
    assert Quantity(figure).difference(value) == shown
