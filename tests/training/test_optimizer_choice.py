"""Making an optimizer from its import path."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.training.optimizer import build_optimizer


class WithoutRate(torch.optim.Optimizer):
    """An optimizer that finds its learning rate itself, and has no weight decay."""

    def __init__(self, params: object) -> None:
        super().__init__(params, {})

    def step(self, closure: Callable[[], float] | None = None) -> None:
        pass


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def test_the_default_is_a_fused_adamw():
    optimizer = build_optimizer(network(), 0.1, 0.5)
    assert type(optimizer) is torch.optim.AdamW
    assert {(group["lr"], group["fused"]) for group in optimizer.param_groups} == {(0.1, True)}


@pytest.mark.parametrize(
    ("target", "arguments", "scales_gradients"),
    [
        ("torch.optim:AdamW", {"foreach": True}, False),
        ("torch.optim:AdamW", {}, True),
        ("torch.optim:RMSprop", {}, False),
    ],
)
def test_nothing_is_fused_where_it_cannot_or_must_not_be(target, arguments, scales_gradients):
    optimizer = build_optimizer(network(), 0.1, 0.5, target, arguments, scales_gradients)
    assert not optimizer.param_groups[0].get("fused")


def test_arguments_reach_the_optimizer():
    optimizer = build_optimizer(network(), 0.1, 0.0, "torch.optim:SGD", {"momentum": 0.9, "nesterov": True})
    assert optimizer.defaults["momentum"] == 0.9
    assert optimizer.defaults["nesterov"] is True


def test_norms_and_biases_are_a_group_without_decay():
    model = network()
    decaying, others = build_optimizer(model, 0.1, 0.5, "torch.optim:SGD").param_groups
    assert decaying["weight_decay"] == 0.5
    assert decaying["params"] == [model[0].weight, model[2].weight]
    assert others["weight_decay"] == 0
    assert others["params"] == [model[0].bias, model[1].weight, model[1].bias, model[2].bias]


def test_a_class_of_the_users_own_without_weight_decay_is_taken_where_none_is_wanted(monkeypatch):
    monkeypatch.setattr(torch.optim, "Rated", type("Rated", (torch.optim.Rprop,), {}), raising=False)
    assert len(build_optimizer(network(), 0.1, 0.0, "torch.optim:Rated").param_groups) == 2


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("torch.optim:AdmW", {}, 'Cannot import "torch.optim:AdmW": module "torch.optim" has no "AdmW"; did you mean'),
        ("torch.nn:Linear", {}, '"torch.nn:Linear" is no optimizer: expected a class derived from torch.optim'),
        ("math:sqrt", {}, '"math:sqrt" is no optimizer'),
        ("torch.optim:LBFGS", {}, 'The optimizer "torch.optim:LBFGS" computes the loss several times per step'),
        ("torch.optim:SGD", {"momentun": 0.9}, 'takes no argument "momentun"; did you mean "momentum"?'),
        ("torch.optim:SGD", {"lr": 0.9}, 'optimizer_arguments hold "lr", which is set by learning_rate: leave it out.'),
        ("torch.optim:SGD", {"weight_decay": 0}, 'hold "weight_decay", which is set by weight_decay'),
        ("torch.optim:SGD", {"momentum": -1}, '"torch.optim:SGD" cannot be made: ValueError: Invalid momentum value'),
        ("torch.optim:Rprop", {}, '"torch.optim:Rprop" has no weight decay, but weight_decay is 0.5: set it to 0.'),
        ("torch.optim:Muon", {}, '"torch.optim:Muon" cannot be made: ValueError: Muon only supports 2D parameters'),
        (f"{__name__}:WithoutRate", {}, 'takes no learning rate ("lr"), which the schedule would set.'),
    ],
)
def test_a_mistake_gets_one_line(target, arguments, message):
    with pytest.raises(SuppleError) as caught:
        build_optimizer(network(), 0.1, 0.5, target, arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(SuppleError, match="The model has no parameter to train: requires_grad is False"):
        build_optimizer(network().requires_grad_(False), 0.1, 0.5)
