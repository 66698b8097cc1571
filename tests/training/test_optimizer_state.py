"""An optimizer's state as tensors and JSON: with it another one goes on bit for bit, whatever its class."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from supple.errors import SuppleError
from supple.storage.tensors import load_tensors, save_tensors
from supple.training.optimizer import build_optimizer
from supple.training.optimizer_state import load_optimizer_state, optimizer_state

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "AdamW": ("torch.optim:AdamW", {}),
    "AdamW with amsgrad": ("torch.optim:AdamW", {"amsgrad": True, "foreach": True}),
    "Adam": ("torch.optim:Adam", {"betas": [0.8, 0.9]}),
    "NAdam": ("torch.optim:NAdam", {}),
    "SGD": ("torch.optim:SGD", {}),
    "SGD with momentum": ("torch.optim:SGD", {"momentum": 0.9, "nesterov": True}),
    "RMSprop": ("torch.optim:RMSprop", {"momentum": 0.9, "centered": True}),
    "Adagrad": ("torch.optim:Adagrad", {"initial_accumulator_value": 0.1}),
    "Adafactor": ("torch.optim:Adafactor", {}),
    "ASGD": ("torch.optim:ASGD", {}),
    "Odd": (f"{__name__}:Odd", {}),
}


class Odd(torch.optim.Optimizer):
    """Remembers every kind of value, in every place where an optimizer can keep some."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "k": 0, "pair": (1, 2.5), "make": max})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        self.state["total"].setdefault("norms", [])
        for group in self.param_groups:
            group["k"] += 1
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state.update(count=0, best=float("inf"), nothing=None, name="odd", is_new=True, nested=[[], {}])
                state["count"] += 1
                state["is_new"] = False
                state["best"] = min(state["best"], float(parameter.grad.norm()))
                state["nested"][0].append(parameter.grad.clone())
                state["nested"][1]["last"] = (parameter.grad * 2, state["count"])
                self.state["total"]["norms"].append(parameter.grad.norm())
                mean = torch.stack(state["nested"][0]).mean(0) * len(self.state["total"]["norms"]) / group["k"]
                parameter.sub_(mean + state["nested"][1]["last"][0] * state["best"], alpha=group["lr"])


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
    model[0].weight.data = model[0].weight.data.contiguous(memory_format=torch.channels_last)
    return model


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    optimizer.zero_grad()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, model[0].weight.shape[1], *[4] * (model[0].weight.dim() - 2), generator=generator)
    model(x).square().mean().backward()
    optimizer.step()


def through_a_file(state: tuple[dict[str, Tensor], Any], tmp_path: Any) -> tuple[dict[str, Tensor], Any]:
    tensors, content = state
    save_tensors(tmp_path / "optimizer.safetensors", tensors)
    return load_tensors(tmp_path / "optimizer.safetensors"), json.loads(json.dumps(content, allow_nan=False))


def assert_goes_on_alike(model: nn.Module, other: nn.Module, target: str, arguments: dict[str, Any], tmp_path: Any):
    decay = 0.5 if target.endswith(("AdamW", "SGD", "Muon")) else 0.0
    first = build_optimizer(model, 0.05, decay, target, arguments)
    second = build_optimizer(other, 0.05, decay, target, arguments)
    for seed in range(3):
        step(model, first, seed)
    other.load_state_dict(model.state_dict())
    load_optimizer_state(second, other, *through_a_file(optimizer_state(first, model), tmp_path))
    for seed in range(3, 6):
        step(model, first, seed)
        step(other, second, seed)
    for key, parameter in model.named_parameters():
        assert torch.equal(parameter, other.get_parameter(key)), key
    tensors, content = optimizer_state(first, model)
    other_tensors, other_content = optimizer_state(second, other)
    assert content == other_content
    assert tensors.keys() == other_tensors.keys()
    assert all(torch.equal(tensor, other_tensors[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_with_restored_state_goes_on_as_the_first_one(name, tmp_path):
    assert_goes_on_alike(network(), network(), *OPTIMIZERS[name], tmp_path)


def test_so_does_muon_where_all_parameters_are_matrices(tmp_path):
    def matrices() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))

    assert_goes_on_alike(matrices(), matrices(), "torch.optim:Muon", {}, tmp_path)


def test_restored_state_lies_in_memory_like_its_parameter(tmp_path):
    model = network()
    optimizer = build_optimizer(model, 0.1, 0.5)
    step(model, optimizer, 0)
    load_optimizer_state(optimizer, model, *through_a_file(optimizer_state(optimizer, model), tmp_path))
    assert optimizer.state[model[0].weight]["exp_avg"].stride() == model[0].weight.stride()


def test_every_kind_of_value_comes_back_as_it_was(tmp_path):
    model, other = network(), network()
    first = build_optimizer(model, 0.1, 0.0, *OPTIMIZERS["Odd"])
    second = build_optimizer(other, 0.1, 0.0, *OPTIMIZERS["Odd"])
    step(model, first, 0)
    first.state[model[3].bias]["best"] = float("-inf")
    load_optimizer_state(second, other, *through_a_file(optimizer_state(first, model), tmp_path))
    state = second.state[other[3].bias]
    assert (state["count"], state["best"], state["nothing"], state["is_new"]) == (1, float("-inf"), None, False)
    assert isinstance(state["nested"][1]["last"], tuple)
    assert second.param_groups[0]["pair"] == (1, 2.5)
    assert second.param_groups[0]["k"] == 1


def test_a_state_before_the_first_step_clears_a_later_one():
    model = network()
    optimizer = build_optimizer(model, 0.1, 0.5)
    untouched = optimizer_state(optimizer, model)
    step(model, optimizer, 0)
    load_optimizer_state(optimizer, model, *untouched)
    assert optimizer_state(optimizer, model)[0] == {}


def test_a_value_that_no_file_can_hold_is_refused():
    model = network()
    optimizer = build_optimizer(model, 0.1, 0.5)
    optimizer.state[model[3].bias]["history"] = {1, 2}
    message = 'AdamW cannot be written to a checkpoint: "parameters/3.bias/history" is of type set.'
    with pytest.raises(SuppleError, match=message):
        optimizer_state(optimizer, model)


def test_the_state_of_another_model_is_refused_and_nothing_changes():
    model, other = network(), nn.Sequential(nn.Linear(2, 2))
    first, second = build_optimizer(model, 0.1, 0.5), build_optimizer(other, 0.1, 0.5)
    step(model, first, 0)
    with pytest.raises(SuppleError, match=r"holds no state of the optimizer AdamW for this model \(KeyError"):
        load_optimizer_state(second, other, *optimizer_state(first, model))
    assert not second.state


@pytest.mark.parametrize("content", [None, [], {}, {"dict": {"groups": []}}, {"dict": {"groups": [1, 2]}}])
def test_content_of_another_form_is_refused(content):
    model = network()
    with pytest.raises(SuppleError, match="holds no state of the optimizer AdamW for this model"):
        load_optimizer_state(build_optimizer(model, 0.1, 0.5), model, {}, content)
