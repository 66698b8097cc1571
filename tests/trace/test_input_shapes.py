"""What is remembered of inputs: shapes and types in every form that a forward takes them."""

import json
from types import SimpleNamespace

import pytest
import torch

from supple.trace.input_shapes import InputShapes, TensorShape
from supple.trace.inputs import ModelInputs

NESTED = ModelInputs(
    (torch.randn(2, 3), [torch.ones(2, dtype=torch.int64), (torch.zeros(1, dtype=torch.bfloat16), None)]),
    {"more": {"mask": torch.ones(2, 4, dtype=torch.bool)}, "scale": 0.5, "mode": "fast", "flag": True},
)


def test_a_tensor_becomes_its_shape_and_type() -> None:
    shapes = InputShapes.of(ModelInputs.of(torch.randn(2, 3, dtype=torch.float16)))
    assert shapes == InputShapes((TensorShape((2, 3), "float16"),), {})


def test_nested_inputs_come_back_from_json_as_zeros_of_the_same_shapes_and_types() -> None:
    shapes = InputShapes.of(NESTED)
    assert shapes is not None
    again = InputShapes.from_json(json.loads(json.dumps(shapes.to_json())))
    assert again == shapes
    zeros = again.zeros(torch.device("cpu"))
    assert [(tensor.shape, tensor.dtype) for tensor in zeros.tensors] == [
        (tensor.shape, tensor.dtype) for tensor in NESTED.tensors
    ]
    assert not any(tensor.any() for tensor in zeros.tensors)
    assert zeros.args[1][1][1] is None
    assert {name: zeros.kwargs[name] for name in ("scale", "mode", "flag")} == {
        "scale": 0.5,
        "mode": "fast",
        "flag": True,
    }


def test_inputs_that_json_has_no_word_for_are_not_remembered() -> None:
    assert InputShapes.of(ModelInputs((torch.zeros(2), SimpleNamespace(a=1)), {})) is None


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"args": []},
        {"args": 3, "kwargs": {}},
        {"args": [{"shape": [2]}], "kwargs": {}},
        {"args": [{"shape": [-2], "dtype": "float32"}], "kwargs": {}},
        {"args": [{"shape": ["2"], "dtype": "float32"}], "kwargs": {}},
        {"args": [{"shape": [2], "dtype": "load"}], "kwargs": {}},
        {"args": [{"shape": [2], "dtype": 3}], "kwargs": {}},
    ],
)
def test_any_other_content_is_refused(content: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        InputShapes.from_json(content)
