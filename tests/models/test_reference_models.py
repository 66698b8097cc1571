"""The reference models: plain networks of the sizes that they promise."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from supple.models import MobileNet, ResNet, mobilenet_small, resnet_demo, resnet_small


@pytest.mark.parametrize(
    ("build", "channels", "size"),
    [(resnet_demo, 1, 28), (resnet_small, 3, 32), (mobilenet_small, 3, 32), (mobilenet_small, 1, 28)],
)
def test_images_become_logits(build: Callable[[int, int], nn.Module], channels: int, size: int) -> None:
    logits = build(channels, 7)(torch.randn(2, channels, size, size))
    assert logits.shape == (2, 7)
    logits.sum().backward()


@pytest.mark.parametrize(("build", "tensors"), [(resnet_demo, 50), (resnet_small, 62), (mobilenet_small, 138)])
def test_the_number_of_parameter_tensors(build: Callable[[], nn.Module], tensors: int) -> None:
    model = build()
    assert len(list(model.parameters())) == tensors
    # Every one of them reaches the output.
    channels = 1 if build is resnet_demo else 3
    model(torch.randn(2, channels, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_each_later_stage_of_a_resnet_halves_the_resolution() -> None:
    model = ResNet(3, 10, 8, (8, 16, 24), (1, 2, 3))
    x = model.stem(torch.randn(2, 3, 32, 32))
    sizes = []
    for stage in model.stages:
        x = stage(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(8, 16, 16), (16, 8, 8), (24, 4, 4)]


def test_blocks_of_a_mobilenet_have_shortcuts_where_shapes_allow() -> None:
    model = MobileNet(stages=((16, 2, 3, 1), (24, 2, 5, 2)), stem_channels=16)
    assert [block.has_shortcut for block in model.blocks] == [True, True, False, True]
