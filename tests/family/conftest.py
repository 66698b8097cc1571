"""Families of the reference models, made once."""

import copy

import pytest
import torch
from family_cases import REFERENCE
from torch import nn

from supple import Family, convert

# Results are compared bit for bit, and several threads on a busy machine only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def originals() -> dict[str, nn.Module]:
    """The reference models, with batch-norm statistics as after some training."""
    models = {}
    for name, case in REFERENCE.items():
        torch.manual_seed(0)
        models[name] = case.model().train()
        for _ in range(3):
            models[name](case.inputs())
    return models


@pytest.fixture(scope="session")
def converted(originals: dict[str, nn.Module]) -> dict[str, Family]:
    """Their families; a test that changes one takes a copy."""
    torch.manual_seed(1)
    return {name: convert(model, REFERENCE[name].inputs(2)) for name, model in originals.items()}


@pytest.fixture
def mobilenet(converted: dict[str, Family]) -> Family:
    """A family with blocks, depthwise convolutions and gates, to do with as one likes."""
    return copy.deepcopy(converted["mobilenet_small"])


@pytest.fixture
def resnet(converted: dict[str, Family]) -> Family:
    """The family of the demo, to do with as one likes."""
    return copy.deepcopy(converted["resnet_demo"])
