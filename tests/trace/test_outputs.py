"""Outputs of a model: which of them keep their shape, and which classes are looked into."""

from typing import Any

import torch
from torch import nn

from supple.trace import trace
from supple.trace.outputs import seen_leaves, seen_outputs_only

X = torch.randn(2, 16)


class Unknown:
    """A class that PyTorch does not know."""


class Several(nn.Module):
    """Two layers, and what a function makes of both results."""

    def __init__(self, choose: Any) -> None:
        super().__init__()
        self.choose = choose
        self.first, self.second = nn.Linear(16, 32), nn.Linear(32, 24)

    def forward(self, x: torch.Tensor) -> Any:
        hidden = self.first(x)
        return self.choose(hidden, self.second(hidden))


def names(choose: Any) -> list[str]:
    return [dimension.name for dimension in trace(Several(choose), (X,)).space.dimensions]


def test_what_the_first_output_is_computed_from_follows_the_member() -> None:
    assert names(lambda hidden, result: (result, hidden)) == ["first.width"]
    assert names(lambda hidden, result: {"logits": result, "hidden": [hidden]}) == ["first.width"]


def test_the_first_output_keeps_its_shape_and_so_does_what_is_computed_from_it() -> None:
    assert names(lambda hidden, result: (hidden, result)) == []


def test_outputs_of_unknown_classes_are_left_out() -> None:
    unknown = Unknown()
    assert names(lambda hidden, result: (result, unknown)) == ["first.width"]
    assert seen_leaves({"a": X, "b": [1, unknown, None], "c": "text"}) == [X, 1, "text"]


def test_the_model_returns_what_it_did_before() -> None:
    model = Several(lambda hidden, result: {"result": result})
    with seen_outputs_only(model):
        assert isinstance(model(X), tuple)
    assert set(model(X)) == {"result"}
