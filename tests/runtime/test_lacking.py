"""Tests of telling which operator a runtime lacks, and which choices of a space avoid it."""

import pytest
import torch
from torch import nn

from supple import Choice
from supple.family import convert
from supple.runtime import parse_target
from supple.runtime.lacking import find_lack

TARGET = parse_target("onnxruntime:cpu?batch=2")


class Bessel(nn.Module):
    """What ONNX has no operator for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


def net(*between: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 32), *between, nn.Linear(32, 2)).eval()


def test_a_network_that_runs_lacks_nothing():
    inputs = torch.randn(2, 4)
    assert find_lack(convert(net(nn.ReLU()), inputs), inputs, TARGET) is None


def test_the_operator_and_the_choice_that_avoids_it_are_named():
    inputs = torch.randn(2, 4)
    family = convert(net(Choice(Bessel(), nn.Tanh())), inputs)
    (choice,) = [dimension for dimension in family.space.dimensions if dimension.kind == "operator"]
    lack = find_lack(family, inputs, TARGET)
    assert lack is not None
    assert lack.member == family.space.max()
    assert "bessel_j0" in lack.reason
    assert len(lack.avoided_by) == 1
    assert lack.avoided_by[0][0] == choice.name
    assert f"Any of these choices avoids it: {choice.name}=" in str(lack)


@pytest.mark.parametrize("place", ["onnxruntime:cpu", "openvino:cpu", "torch:cpu"])
def test_what_no_choice_avoids_is_said(place):
    if place == "openvino:cpu":
        pytest.importorskip("openvino")
    inputs = torch.randn(2, 4)
    lack = find_lack(convert(net(Bessel()), inputs), inputs, parse_target(f"{place}?batch=2"))
    if place == "torch:cpu":
        assert lack is None
    else:
        assert lack is not None
        assert not lack.avoided_by
        assert not lack.smallest_runs
        assert "No choice was found that avoids it" in str(lack)
