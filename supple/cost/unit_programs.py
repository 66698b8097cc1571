"""Units as programs of their own, to be measured."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from supple.cost.units import Form, with_numbers
from supple.runtime.program import Format, Program

_OPSET = 20
_IR_VERSION = 10


def unit_program(form: Form, numbers: Sequence[int]) -> Program:
    """Return a unit as an ONNX model: the values that it reads are its inputs, and its weights are random numbers."""
    graph = with_numbers(form, numbers)
    weights = [entry for entry in graph.input if entry.name.startswith("w")]
    random = np.random.default_rng(0)
    for entry in weights:
        graph.input.remove(entry)
        tensor = entry.type.tensor_type
        shape = tuple(axis.dim_value for axis in tensor.shape.dim)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        graph.initializer.append(numpy_helper.from_array(_weight(random, shape).astype(dtype), entry.name))
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="supple"
    )
    return Program(model.SerializeToString(deterministic=True), Format.ONNX)


def idle_program() -> Program:
    """Return a model that computes nothing: what it takes is the price of a call."""
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x0", "v0")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x0"], ["v0"])], "idle", value[:1], value[1:])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="supple"
    )
    return Program(model.SerializeToString(deterministic=True), Format.ONNX)


def _weight(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return numbers that keep a network's values in a usual range. A vector can be a variance: it is positive."""
    if len(shape) < 2:
        return np.asarray(random.uniform(0.5, 1.5, shape))
    return np.asarray(random.standard_normal(shape) / np.sqrt(np.prod(shape[1:])))
