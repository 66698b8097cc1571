"""Tests of what training a member costs."""

import math
import re

import pytest
import torch
from torch import nn

from supple import Family, convert
from supple.cost.latency import Effort
from supple.cost.live_memory import LiveMemory
from supple.cost.training_cost import TrainingSetting, measure_training, peak_training_memory
from supple.errors import SuppleError
from supple.models import resnet_demo
from supple.training.config import Accelerator
from supple.training.precision import Precision

torch.set_num_threads(1)

BATCH = 8
SETTING = TrainingSetting(BATCH, Accelerator.CPU, Precision.FP32)
QUICK = Effort(min_rounds=3, max_seconds=0.1)


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 64, bias=False), nn.Linear(64, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x).relu())


@pytest.fixture(scope="module")
def layers() -> Family:
    return convert(Layers(), torch.zeros(2, 16))


def bytes_by_hand(hidden: int) -> int:
    """Return the bytes that a step of `Layers` holds when that is most: as the first layer's gradient is computed.

    Then there are the weights, AdamW's two moments and its two counts of steps, all gradients of weights, the gradient
    of the hidden layer, the batch, the output, the loss and its gradient.
    """
    weights = 16 * hidden + hidden * 4
    return 4 * (3 * weights + 2 + weights + BATCH * hidden + BATCH * 16 + BATCH * 4 + 2)


def test_the_memory_of_tensors_that_come_and_go():
    x = torch.zeros(100)
    memory = LiveMemory([x])
    with memory:
        y = x + 1
        z = y.view(10, 10) * 2
        del y
        assert (memory.live_bytes, memory.peak_bytes) == (800, 1200)
        z += 1
        del z
        assert memory.live_bytes == 400
        memory.forget_peak()
        w = torch.zeros(1)
        assert memory.peak_bytes == 404
        del w


def test_memory_that_only_autograd_holds_is_held():
    x = torch.zeros(100, requires_grad=True)
    memory = LiveMemory([x])
    with memory:
        y = x.exp().sum()  # exp keeps its result for its gradient
        assert memory.live_bytes == 400 + 400 + 4
        y.backward()
        del y
        assert memory.live_bytes == 800


def test_the_memory_of_a_step_by_hand(layers):
    for config in layers.space:
        (hidden,) = config.values()
        assert peak_training_memory(layers, config, SETTING) == bytes_by_hand(hidden)


def test_larger_members_and_larger_batches_need_more(layers):
    smaller, larger = layers.space.min(), layers.space.max()
    assert peak_training_memory(layers, smaller, SETTING) < peak_training_memory(layers, larger, SETTING)
    wide = TrainingSetting(2 * BATCH, Accelerator.CPU, Precision.FP32)
    assert peak_training_memory(layers, larger, SETTING) < peak_training_memory(layers, larger, wide)


def test_steps_are_timed_against_the_full_member():
    family = convert(resnet_demo(), torch.zeros(2, 1, 28, 28), prove=False)
    smallest, largest = measure_training(family, [family.space.min(), family.space.max()], SETTING, QUICK, 10.0)
    assert smallest.step.reference_ms == largest.step.reference_ms == 10.0
    assert 0 < smallest.step.median_ms < largest.step.median_ms
    assert smallest.peak_memory_bytes < largest.peak_memory_bytes


def test_measuring_leaves_the_family_as_it_was(layers):
    before = {key: tensor.clone() for key, tensor in layers.model.state_dict().items()}
    measure_training(layers, [layers.space.max()], SETTING, QUICK)
    assert all(torch.equal(before[key], tensor) for key, tensor in layers.model.state_dict().items())
    assert all(parameter.grad is None for parameter in layers.model.parameters())


def test_mistakes(layers):
    config = layers.space.max()
    with pytest.raises(SuppleError, match="two samples or more, not 1"):
        peak_training_memory(layers, config, TrainingSetting(1, Accelerator.CPU))
    if not torch.cuda.is_available():
        with pytest.raises(SuppleError, match=re.escape("There is no GPU here")):
            peak_training_memory(layers, config, TrainingSetting(BATCH, Accelerator.CUDA))


def test_a_member_that_does_not_train_is_named(layers, monkeypatch):
    monkeypatch.setattr(Layers, "forward", lambda self, x: self.first(x).detach() @ x)
    with pytest.raises(SuppleError, match=r"first.*does not train on inputs of shape \[8, 16\]: "):
        peak_training_memory(layers, layers.space.max(), SETTING)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_memory_is_at_least_that_of_weights_gradients_and_moments(layers):
    setting = TrainingSetting(BATCH, Accelerator.CUDA, Precision.FP32)
    for config in (layers.space.min(), layers.space.max()):
        assert peak_training_memory(layers, config, setting) >= 4 * 4 * layers.count_parameters(config)
    (cost,) = measure_training(layers, [layers.space.max()], setting, QUICK)
    assert math.isfinite(cost.step.median_ms)
