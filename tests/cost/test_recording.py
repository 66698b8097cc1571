"""Tests of recording what a network runs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from supple.cost.recording import record
from supple.errors import SuppleError
from supple.trace import ModelInputs


class Steps(nn.Module):
    """A product, a reshape that copies, a change in place, a concatenation, and something made of weights alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 6)
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x).transpose(1, 2).reshape(len(x), -1)
        y.add_(1)
        return torch.cat([y, functional.softplus(self.scale).repeat(len(x), 1)], 1)


@pytest.fixture(scope="module")
def operators():
    recording = record(Steps(), ModelInputs.of(torch.randn(3, 5, 4)))
    found = list(recording.whole.operators())
    assert recording.outputs == {found[-1].writes[0].value}
    return {operator.name.split(".")[1]: operator for operator in found}


def test_only_operators_that_compute_activations_are_there(operators):
    assert list(operators) == ["addmm", "add_", "cat"]


def test_one_sample_runs(operators):
    assert operators["addmm"].reads[0].shape == (5, 4)
    assert operators["addmm"].terms == ((5, 6, 4),)


def test_what_is_changed_in_place_is_a_new_activation(operators):
    change = operators["add_"]
    assert change.overwrites == operators["addmm"].writes[0].value
    assert change.writes[0].value not in (None, change.overwrites)
    assert change.is_pointwise


def test_a_concatenation_copies(operators):
    assert operators["cat"].copies
    assert [weight.shape for weight in operators["cat"].weights] == [(1, 6)]


def test_products_are_not_computed_and_the_rest_runs():
    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x + float("nan"))
            return self.second(x) if bool((x == 0).all()) else x

    recording = record(Routed(), ModelInputs.of(torch.randn(2, 4)))
    assert [operator.name for operator in recording.whole.operators()].count("aten.addmm.default") == 2


def test_a_model_that_does_not_run_is_named():
    with pytest.raises(SuppleError, match=r"Linear does not run on inputs of shape \[1, 5\]"):
        record(nn.Linear(4, 4), ModelInputs.of(torch.randn(2, 5)))


def test_calls_of_modules_are_nested_and_hooks_are_gone_afterwards():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.ReLU())
    recording = record(model, ModelInputs.of(torch.randn(2, 4)))
    assert [item.name for item in recording.whole.items] == ["0", "1"]
    assert [item.name for item in recording.whole.items[0].items] == ["0.0", "0.1"]
    count = len(recording.whole.items)
    model(torch.randn(2, 4))
    assert len(recording.whole.items) == count
