"""A clock that only what is timed moves, and small ONNX models to measure."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from supple.cost import latency
from supple.runtime import Format, Program


class Clock:
    """Time and interruptions as the measured runs make them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.interruptions = 0
        self.order: list[str] = []

    def run(self, milliseconds: float | Callable[[], float], name: str = "") -> Callable[[], None]:
        """Return something to time that takes so long."""

        def take_time() -> None:
            duration = milliseconds() if callable(milliseconds) else milliseconds
            self.seconds += duration / 1000
            self.order.append(name)

        return take_time


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: made.seconds))
    monkeypatch.setattr(latency, "_times_interrupted", lambda: made.interruptions)
    return made


def layers(count: int, batch: int | str = "batch") -> bytes:
    """Return the content of a model of so many equal layers."""
    weight = numpy_helper.from_array(np.eye(8, dtype=np.float32), "w")
    names = ["x", *(f"h{number}" for number in range(1, count)), "y"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [names[index], "w"], [names[index + 1]]) for index in range(count)],
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (batch, 8))],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


@pytest.fixture
def make_layers() -> Callable[..., bytes]:
    return layers


@pytest.fixture
def program(make_layers) -> Callable[[int], Program]:
    """Return what makes the program of a model of so many equal layers."""
    return lambda count: Program(make_layers(count), Format.ONNX)


@pytest.fixture
def wide() -> Callable[[int], Program]:
    """Return what makes the program of a small model that needs memory for so many numbers when it runs."""

    def make(numbers: int) -> Program:
        shape = numpy_helper.from_array(np.array([numbers], dtype=np.int64), "shape")
        nodes = [
            helper.make_node("Expand", ["mean", "shape"], ["many"]),
            helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
            helper.make_node("Exp", ["many"], ["y"]),
        ]
        graph = helper.make_graph(
            [nodes[1], nodes[0], nodes[2]],
            "wide",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 8))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (numbers,))],
            [shape],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        return Program(model.SerializeToString(), Format.ONNX)

    return make
