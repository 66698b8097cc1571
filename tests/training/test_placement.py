"""Moving a model's tensors for a while, and putting them back."""

import pytest
import torch
from torch import nn

from supple.training.placement import in_fast_order


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(8, 2))
    model[0].weight.data = model[0].weight.data.contiguous(memory_format=torch.channels_last)
    return model


def test_kernels_lie_channels_last_for_a_while():
    model = network()
    strides = [parameter.stride() for parameter in model.parameters()]
    with in_fast_order(model):
        assert all(conv.weight.is_contiguous(memory_format=torch.channels_last) for conv in model[:2])
    assert [parameter.stride() for parameter in model.parameters()] == strides


def test_values_and_what_was_learned_stay():
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    with in_fast_order(model):
        assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
    assert all(torch.equal(one + 1, other) for one, other in zip(before, model.parameters(), strict=True))


def test_the_order_comes_back_after_an_error():
    model = network()
    stride = model[1].weight.stride()
    with pytest.raises(ZeroDivisionError), in_fast_order(model):
        raise ZeroDivisionError
    assert model[1].weight.stride() == stride


def test_the_order_does_not_change_what_the_gradients_are():
    model, other = network(), network()
    inputs = torch.randn(4, 3, 5, 5)
    with in_fast_order(model):
        for each in (model, other):
            each(inputs).square().sum().backward()
        for one, two in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one.grad, two.grad)
