"""Example inputs from what a user writes."""

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.sources import InputSpec, parse_input, random_inputs


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("3,224,224", InputSpec(None, (3, 224, 224))),
        ("12", InputSpec(None, (12,))),
        ("input_ids=16:int64", InputSpec("input_ids", (16,), "int64")),
        ("16:int64:100", InputSpec(None, (16,), "int64", 100)),
        ("mask=4,4:bool", InputSpec("mask", (4, 4), "bool")),
    ],
)
def test_an_input_is_read(text: str, spec: InputSpec) -> None:
    assert parse_input(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3x224x224", '"3x224x224" is no input: expected SHAPE or NAME=SHAPE, as "3,224,224"'),
        ("", '"" is no input: expected SHAPE'),
        ("3,-1", "is no input"),
        ("3,", "is no input"),
        ("3,0", "a size of 0 leaves nothing to run on"),
        ("3:float", '"3:float" has an unknown type: it can be float32, float16'),
        ("3:int64:0", "no integer lies between 0 and 0"),
        ("3:100", '"3:100" has an unknown type'),
    ],
)
def test_any_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(SuppleError) as caught:
        parse_input(text)
    assert message in str(caught.value)


def test_inputs_are_two_samples_of_the_shapes_and_the_model_s_type() -> None:
    inputs = random_inputs(nn.Linear(3, 4).half(), [parse_input("3"), parse_input("x=5,2:float32")], {"fast": True})
    assert [(tuple(tensor.shape), tensor.dtype) for tensor in inputs.tensors] == [
        ((2, 3), torch.float16),
        ((2, 5, 2), torch.float32),
    ]
    assert inputs.kwargs["fast"] is True
    assert not torch.equal(inputs.args[0][0], inputs.args[0][1])


def test_inputs_are_the_same_each_time() -> None:
    one, other = (random_inputs(nn.Linear(3, 4), [parse_input("3")]) for _ in range(2))
    assert torch.equal(one.args[0], other.args[0])


def test_integers_lie_below_their_bound_or_within_every_embedding() -> None:
    model = nn.ModuleList([nn.Embedding(50, 4), nn.Embedding(7, 4)])
    drawn = random_inputs(model, [parse_input("1000:int64"), parse_input("1000:int64:30")])
    assert [int(tensor.max()) for tensor in drawn.args] == [6, 29]
    assert int(random_inputs(nn.Linear(1, 1), [parse_input("100:int32")]).args[0].max()) == 1


def test_a_mask_hides_nothing() -> None:
    assert random_inputs(nn.Linear(1, 1), [parse_input("mask=3:bool")]).kwargs["mask"].all()


def test_an_input_is_given_once() -> None:
    with pytest.raises(SuppleError, match='The input "x" is given twice'):
        random_inputs(nn.Linear(1, 1), [parse_input("x=3"), parse_input("x=4")])
