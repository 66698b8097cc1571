"""Tests of targets: their addresses, and the mistakes in them."""

import pytest

from supple.errors import SuppleError
from supple.runtime import Device, Runtime, Target, parse_target
from supple.runtime.target import PLACES


def test_an_address_gives_runtime_device_and_settings():
    target = parse_target("onnxruntime:cpu?threads=2&batch=8")
    assert target == Target(Runtime.ONNXRUNTIME, Device.CPU, threads=2, batch=8)


def test_settings_left_out_are_one():
    assert parse_target("onnxruntime:cpu") == Target(threads=1, batch=1)


def test_a_target_writes_its_whole_address():
    assert str(parse_target("onnxruntime:cpu?batch=4")) == "onnxruntime:cpu?threads=1&batch=4"
    assert parse_target(str(Target(batch=3))) == Target(batch=3)


def test_a_resolution_and_a_worker_are_part_of_the_address():
    address = "remote+openvino:cpu@board.local:8765?threads=4&batch=1&resolution=96"
    target = parse_target(address)
    assert target == Target(Runtime.OPENVINO, Device.CPU, 4, 1, 96, "board.local:8765")
    assert str(target) == address
    assert target.local == parse_target("openvino:cpu?threads=4&resolution=96")
    assert parse_target("remote+onnxruntime:cpu@[::1]:80").worker == "[::1]:80"


@pytest.mark.parametrize("place", PLACES)
def test_every_address_names_its_runtime_and_device(place):
    assert parse_target(place).place == place


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
        ("remote+onnxruntime:cpu", "names no worker: write remote"),
        ("remote+onnxruntime:cpu@board", "names no worker"),
        ("remote+onnxruntime:cpu@board:99999", "names no worker"),
        ("remote+onnxruntime:cpu@http://board:80", "names no worker"),
        ("remote+onnxruntme:cpu@board:80", 'did you mean "onnxruntime:cpu"?'),
    ],
)
def test_a_mistake_in_an_address_is_named(address, message):
    with pytest.raises(SuppleError, match=message):
        parse_target(address)
