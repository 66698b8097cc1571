"""Inputs of a model in every form that a forward takes them."""

import pytest
import torch
from torch import nn

from supple import SuppleError
from supple.trace.inputs import ModelInputs

X = torch.randn(2, 4)
Y = torch.randn(2, 3)


class TwoInputs(nn.Module):
    def forward(self, x: torch.Tensor, more: dict[str, torch.Tensor], scale: float = 1.0) -> torch.Tensor:
        return torch.cat([x, more["y"]], dim=1) * scale


@pytest.mark.parametrize("inputs", [(X, {"y": Y}), (X, {"y": Y}, 1.0), {"more": {"y": Y}, "x": X}])
def test_positional_named_and_nested_inputs_run_the_model(inputs: object) -> None:
    read = ModelInputs.of(inputs)  # type: ignore[arg-type]
    assert torch.equal(read.run(TwoInputs()), torch.cat([X, Y], dim=1))

    assert {tuple(tensor.shape) for tensor in read.tensors} == {(2, 4), (2, 3)}


def test_every_tensor_is_changed_and_constants_stay() -> None:
    changed = ModelInputs.of((X, {"y": Y}, 2.0)).map(lambda tensor: tensor[:1])
    assert torch.equal(changed.run(TwoInputs()), torch.cat([X[:1], Y[:1]], dim=1) * 2)


def test_inputs_that_are_read_already_stay_as_they_are() -> None:
    read = ModelInputs.of(X)
    assert ModelInputs.of(read) is read


@pytest.mark.parametrize("inputs", [(), {}, (3,), {"x": None}])
def test_inputs_without_a_tensor_are_refused(inputs: object) -> None:
    with pytest.raises(SuppleError, match=r"a tuple of .*, or a mapping of its named inputs\. Got no tensor at all"):
        ModelInputs.of(inputs)  # type: ignore[arg-type]
