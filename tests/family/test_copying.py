"""Copies of module trees are those of `copy.deepcopy`."""

import copy
from typing import Any

import pytest
import torch
from architecture_cases import VisionTransformer
from family_cases import HARD, snapshot
from torch import nn
from torch.nn.utils import parametrizations

from supple.family.copying import deepcopy_model


class Circular(nn.Module):
    """Two modules that know each other, without one being the other's child."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.first.__dict__["neighbour"] = self.second
        self.second.__dict__["neighbour"] = self.first
        self.shared = [1, 2]
        self.names = {"shared": self.shared}


class OwnWay(nn.Linear):
    """Copies itself in its own way."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "OwnWay":
        twin = OwnWay(self.in_features, self.out_features)
        twin.copied = True
        return twin


class OwnState(nn.Linear):
    """Leaves a part of its state out."""

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "cache": None}


class Slotted(nn.Linear):
    """Has its class's own ideas of making one."""

    def __new__(cls, *arguments: Any) -> "Slotted":
        made = super().__new__(cls)
        made.__dict__["made"] = True
        return made


def contents(model: nn.Module) -> dict[str, Any]:
    return {key: held for key, held in snapshot(model).items() if key.endswith((":values", ":attributes"))}


@pytest.mark.parametrize("name", HARD)
def test_a_copy_equals_one_by_deepcopy(name: str) -> None:
    model = HARD[name].model()
    copied = deepcopy_model(model, {})
    assert contents(copied) == contents(model) == contents(copy.deepcopy(model))
    inside = {id(tensor) for tensor in model.state_dict(keep_vars=True).values()}
    assert not inside & {id(tensor) for tensor in copied.state_dict(keep_vars=True).values()}


def test_what_is_shared_in_the_tree_is_shared_in_the_copy() -> None:
    copied = deepcopy_model(Circular(), {})
    assert copied.first.neighbour is copied.second
    assert copied.second.neighbour is copied.first
    assert copied.names["shared"] is copied.shared


def test_hooks_and_modes_are_copied() -> None:
    model = VisionTransformer()
    model.blocks[1].eval()
    model.head.register_forward_hook(lambda module, inputs, output: output + 1)
    copied = deepcopy_model(model, {})
    assert [module.training for module in copied.modules()] == [module.training for module in model.modules()]
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(copied.eval()(x), model.eval()(x))
    copied.head._forward_hooks.clear()
    assert len(model.head._forward_hooks) == 1


def test_modules_with_their_own_ways_are_copied_their_way() -> None:
    state = OwnState(3, 4)
    state.cache = torch.zeros(3)
    copied = deepcopy_model(nn.Sequential(OwnWay(3, 4), state, Slotted(3, 4)), {})
    assert copied[0].copied
    assert copied[1].cache is None
    assert copied[2].made
    assert torch.equal(copied[1].weight, state.weight)


def test_a_parametrized_module_is_copied() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2))
    copied = deepcopy_model(model, {})
    x = torch.randn(5, 3)
    assert torch.equal(copied(x), model(x))
    assert copied[0].parametrizations.weight.original0 is not model[0].parametrizations.weight.original0


def test_the_memo_stands_for_objects_of_the_tree() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    part = nn.Parameter(torch.zeros(2, 3))
    assert deepcopy_model(model, {id(model[0].weight): part})[0].weight is part
