"""Tests of targets: their addresses, and the mistakes in them."""

import pytest

from supple.errors import SuppleError
from supple.runtime import Device, Runtime, Target, parse_target


def test_an_address_gives_runtime_device_and_settings():
    target = parse_target("onnxruntime:cpu?threads=2&batch=8")
    assert target == Target(Runtime.ONNXRUNTIME, Device.CPU, threads=2, batch=8)


def test_settings_left_out_are_one():
    assert parse_target("onnxruntime:cpu") == Target(threads=1, batch=1)


def test_a_target_writes_its_whole_address():
    assert str(parse_target("onnxruntime:cpu?batch=4")) == "onnxruntime:cpu?threads=1&batch=4"
    assert parse_target(str(Target(batch=3))) == Target(batch=3)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("onnxruntme:cpu", '"onnxruntme:cpu" names no target .*did you mean "onnxruntime:cpu"?'),
        ("onnxruntime", '"onnxruntime" names no target .*did you mean "onnxruntime:cpu"?'),
        ("", '"" names no target that there is'),
        ("onnxruntime:cpu?thread=1", 'no setting "thread" .*did you mean "threads"?'),
        ("onnxruntime:cpu?threads=0", '"threads" must be a whole number from 1 on, not "0"'),
        ("onnxruntime:cpu?threads=two", '"threads" must be a whole number from 1 on, not "two"'),
        ("onnxruntime:cpu?threads", '"threads" must be a whole number from 1 on, not ""'),
        ("onnxruntime:cpu?batch=9999999999", '"batch" must be a whole number from 1 on'),
        ("onnxruntime:cpu?batch=1&batch=2", 'gives "batch" twice'),
    ],
)
def test_a_mistake_in_an_address_is_named(address, message):
    with pytest.raises(SuppleError, match=message):
        parse_target(address)
