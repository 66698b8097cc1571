"""A ResNet and a MobileNet, small enough to be exported in moments, as families with their templates."""

import pytest
import torch

from supple.family import Family, convert
from supple.models import MobileNet, ResNet
from supple.runtime import OnnxTemplate


def in_use(model):
    """Return the model with batch-norm statistics that are not those of a new one: wrong statistics must show."""
    generator = torch.Generator().manual_seed(1)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return model.eval()


def template_of(model, channels) -> OnnxTemplate:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    example = torch.randn(2, channels, 16, 16)
    return OnnxTemplate(convert(in_use(model), example), example)


@pytest.fixture(scope="session")
def resnet_template() -> OnnxTemplate:
    torch.manual_seed(0)
    return template_of(ResNet(1, 4, 16, (16, 32), (2, 3)), 1)


@pytest.fixture(scope="session")
def mobilenet_template() -> OnnxTemplate:
    torch.manual_seed(0)
    return template_of(MobileNet(3, 4, 16, ((16, 2, 3, 2), (24, 1, 5, 2)), 2, 32), 3)


@pytest.fixture(params=["resnet", "mobilenet"])
def template(request) -> OnnxTemplate:
    return request.getfixturevalue(f"{request.param}_template")


@pytest.fixture
def family(resnet_template) -> Family:
    return resnet_template.family
