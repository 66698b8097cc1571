"""Capturing a model: what cannot be captured, and that the model stays as it is."""

import copy

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.models import mobilenet_small
from supple.trace import trace
from supple.trace.capture import capture, first_keys
from supple.trace.inputs import ModelInputs


class Branching(nn.Module):
    """Its Python depends on the values of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.sum() > 0 else x


def test_a_model_that_depends_on_values_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SuppleError, match=r"^Branching cannot be captured with inputs of shape \[2, 16\]: ") as e:
        capture(Branching(), ModelInputs.of(torch.randn(2, 16)))
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")


def test_inputs_of_a_wrong_shape_are_refused_with_what_pytorch_says() -> None:
    with pytest.raises(SuppleError, match=r"Linear cannot be captured with inputs of shape \[2, 5\]: .*2x5 and 16x16"):
        capture(nn.Linear(16, 16), ModelInputs.of(torch.randn(2, 5)))


@pytest.mark.parametrize("inputs", [[torch.randn(2, 16)], (3,), "images", None])
def test_inputs_that_are_no_tensors_are_refused(inputs: object) -> None:
    with pytest.raises(SuppleError, match="must be a tensor, a tuple"):
        trace(nn.Linear(16, 16), inputs)  # type: ignore[arg-type]


def test_tracing_changes_neither_weights_nor_modes_nor_statistics() -> None:
    model = mobilenet_small().train()
    model.stem.eval()
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    trace(model, (torch.randn(2, 3, 16, 16),))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_come_back_after_a_failure() -> None:
    model = Branching().train()
    with pytest.raises(SuppleError):
        trace(model, (torch.randn(2, 16),))
    assert model.training
    assert model.layer.training


def test_the_first_key_of_a_shared_tensor_stands_for_all() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert first_keys(model) == {
        "0.weight": "0.weight",
        "0.bias": "0.bias",
        "1.weight": "0.weight",
        "1.bias": "1.bias",
    }
