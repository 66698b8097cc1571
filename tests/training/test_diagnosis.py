"""Finding the layer that does not take its inputs, or that loses the gradient."""

import pytest
import torch
from torch import Tensor, nn

from supple.errors import SuppleError
from supple.training.diagnosis import no_gradient, wrong_input


class Net(nn.Module):
    """A network of a stem and a head, which takes images of 8 x 8 pixels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4 * 8 * 8, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.stem(images).flatten(1))


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


class Frozen(nn.Module):
    """Runs its layers without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.layers(x)


def message(model: nn.Module, inputs: object) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever PyTorch raises)
        model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    found = wrong_input(model, inputs, caught.value)
    assert isinstance(found, SuppleError)
    assert "\n" not in str(found)
    return str(found)


def test_the_layer_is_named_with_what_it_got_and_what_it_expects():
    assert message(Net(), torch.zeros(2, 3, 9, 8)) == (
        'The model cannot take a batch of shape [2, 3, 9, 8]: its layer "head" (Linear) got [2, 288] of float32, but '
        "expects 256 features in the last axis (mat1 and mat2 shapes cannot be multiplied (2x288 and 256x5))."
    )


@pytest.mark.parametrize(
    ("layer", "inputs", "got", "expected"),
    [
        (nn.Conv2d(3, 4, 3), torch.zeros(2, 1, 8, 8), "[2, 1, 8, 8]", "3 channels in the second of 4 axes"),
        (nn.Conv2d(4, 4, 3, groups=2), torch.zeros(2, 3, 8, 8), "[2, 3, 8, 8]", "4 channels in the second of 4 axes"),
        (nn.ConvTranspose1d(4, 6, 3), torch.zeros(2, 3, 8), "[2, 3, 8]", "4 channels in the second of 3 axes"),
        (nn.BatchNorm2d(4), torch.zeros(2, 3, 8, 8), "[2, 3, 8, 8]", "4 channels in the second axis"),
        (nn.GroupNorm(2, 4), torch.zeros(2, 6, 8, 8), "[2, 6, 8, 8]", "4 channels in the second axis"),
        (nn.LayerNorm((4, 8)), torch.zeros(2, 4, 6), "[2, 4, 6]", "[4, 8] as the last axes"),
        (nn.Linear(4, 2), torch.zeros(2, 4, dtype=torch.int64), "[2, 4] of int64", "4 features in the last axis"),
        (nn.Embedding(7, 2), torch.tensor([[3, 7]]), "[1, 2] of int64 from 3 to 7", "whole numbers from 0 to 6"),
        (nn.LSTM(4, 2), torch.zeros(3, 2, 5), "[3, 2, 5]", "4 features in the last axis"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_every_kind_of_layer_says_what_it_expects(layer, inputs, got, expected):
    found = message(nn.Sequential(nn.Identity(), nn.ModuleDict({"inner": layer})["inner"]), inputs)
    assert f'its layer "1" ({type(layer).__name__}) got {got}' in found
    assert f"but expects {expected} (" in found


def test_a_batch_of_one_is_refused_by_the_norm_that_it_fails_in():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3))
    found = message(model, torch.zeros(1, 4))
    assert 'its layer "2" (BatchNorm1d) got [1, 3] of float32' in found
    assert "Expected more than 1 value per channel when training" in found


def test_a_model_that_fails_itself_tells_its_own_error():
    class Unpacking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            batch, _, _ = x.shape
            return x.reshape(batch, 7)

    found = message(Unpacking(), torch.zeros(2, 4))
    assert found.startswith("The model cannot take a batch of shape [2, 4]: not enough values to unpack")


def test_an_error_that_does_not_come_again_is_told_as_it_was():
    model = Net()
    found = wrong_input(model, torch.zeros(2, 3, 8, 8), RuntimeError("out of memory\nat line 7"))
    assert str(found) == "The model cannot take a batch of shape [2, 3, 8, 8]: out of memory"


def test_looking_for_the_layer_changes_nothing():
    model = Net()
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    random_state = torch.get_rng_state()
    message(model.eval(), torch.zeros(2, 3, 9, 8))
    wrong_input(model.train(), torch.randn(2, 3, 9, 8, generator=torch.Generator()), RuntimeError("wrong"))
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Detached())), 'in its layer "1.1" (Detached)'),
        (nn.Sequential(Frozen(), nn.ReLU()), 'in its layer "0" (Frozen)'),
        (Frozen(), "in its own forward"),
    ],
)
def test_the_layer_that_loses_the_gradient_is_named(model, where):
    inputs = torch.randn(3, 4)
    assert not model(inputs).requires_grad
    assert str(no_gradient(model, inputs)) == (
        f"The model's outputs have no gradient, it is lost {where}: look there for torch.no_grad(), detach(), .data, "
        "argmax or a conversion to NumPy."
    )


def test_a_model_without_trainable_parameters_is_told():
    with pytest.raises(
        SuppleError, match="The model has no parameter to train: requires_grad is False for all of them"
    ):
        no_gradient(nn.Linear(4, 2).requires_grad_(False), torch.zeros(1, 4))


def test_gradients_that_are_off_everywhere_are_told():
    with torch.no_grad():
        found = no_gradient(nn.Linear(4, 2), torch.zeros(1, 4))
    assert str(found).startswith("Gradients are off: training is called under torch.no_grad()")
