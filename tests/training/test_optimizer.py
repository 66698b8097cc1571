"""AdamW on the shared weights, and its state as tensors."""

import torch
from torch import nn

from supple.training.optimizer import build_optimizer, load_optimizer_tensors, optimizer_tensors


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
    model[0].weight.data = model[0].weight.data.contiguous(memory_format=torch.channels_last)
    return model


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    optimizer.zero_grad()
    model(torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(seed))).square().mean().backward()
    optimizer.step()


def test_norms_and_biases_do_not_decay():
    model = network()
    optimizer = build_optimizer(model, 0.1, 0.5)
    decays = {id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    assert {key: decays[id(parameter)] for key, parameter in model.named_parameters()} == {
        "0.weight": 0.5, "0.bias": 0, "1.weight": 0, "1.bias": 0, "3.weight": 0.5, "3.bias": 0
    }  # fmt: skip


def test_frozen_parameters_are_left_out():
    model = network()
    model[0].weight.requires_grad_(False)
    optimizer = build_optimizer(model, 0.1, 0.5)
    assert all(parameter is not model[0].weight for group in optimizer.param_groups for parameter in group["params"])


def test_an_optimizer_with_restored_state_goes_on_as_the_first_one():
    model, other = network(), network()
    first, second = build_optimizer(model, 0.1, 0.5), build_optimizer(other, 0.1, 0.5)
    for seed in range(3):
        step(model, first, seed)
    other.load_state_dict(model.state_dict())
    saved = {name: tensor.contiguous().clone() for name, tensor in optimizer_tensors(first, model).items()}
    load_optimizer_tensors(second, other, saved)
    step(model, first, 3)
    step(other, second, 3)
    for key, parameter in model.named_parameters():
        assert torch.equal(parameter, other.get_parameter(key)), key


def test_restored_state_lies_in_memory_like_its_parameter():
    model = network()
    optimizer = build_optimizer(model, 0.1, 0.5)
    step(model, optimizer, 0)
    saved = {name: tensor.contiguous().clone() for name, tensor in optimizer_tensors(optimizer, model).items()}
    load_optimizer_tensors(optimizer, model, saved)
    assert optimizer.state[model[0].weight]["exp_avg"].stride() == model[0].weight.stride()
