"""Activation: what hangs in the tree while a member is active, and that everything is put back."""

import copy
import random

import pytest
import torch
from family_cases import HARD, snapshot
from torch import nn

from supple import Config, Family, convert
from supple.errors import SuppleError

X = torch.randn(4, 3, 32, 32)


def random_config(family: Family, seed: int = 5) -> Config:
    return family.space.sample(random.Random(seed))


def hard(name: str) -> Family:
    torch.manual_seed(0)
    return convert(HARD[name].model(), HARD[name].inputs(2))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_everything_is_put_back(mobilenet: Family, training: bool) -> None:
    mobilenet.train(training)
    before = snapshot(mobilenet.model)
    with mobilenet.activate(mobilenet.space.min()) as member:
        assert member is mobilenet.model
        assert snapshot(member) != before
        member(X)
    assert snapshot(mobilenet.model) == before


@pytest.mark.parametrize("name", HARD)
def test_everything_is_put_back_in_hard_models(name: str) -> None:
    family = hard(name).train()
    before = snapshot(family.model)
    family(HARD[name].inputs(), config=family.space.min())
    assert snapshot(family.model) == before


def test_everything_is_put_back_after_an_error(mobilenet: Family) -> None:
    before = snapshot(mobilenet.model)
    with pytest.raises(ZeroDivisionError), mobilenet.activate(mobilenet.space.min()):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError):
        mobilenet(torch.randn(4, 5, 32, 32), config=mobilenet.space.min())
    assert snapshot(mobilenet.model) == before


def test_the_member_has_its_own_shapes_attributes_and_blocks(mobilenet: Family) -> None:
    config = mobilenet.space.min()
    with mobilenet.activate(config) as member:
        assert len(member.blocks) == 3
        assert [name for name, _ in member.blocks.named_children()] == ["0", "3", "6"]
        depthwise = member.blocks[0].depthwise[0]
        assert (depthwise.groups, depthwise.in_channels, depthwise.out_channels) == (16, 16, 16)
        assert tuple(depthwise.weight.shape) == (16, 1, 3, 3)
    assert len(mobilenet.model.blocks) == 10
    assert mobilenet.model.blocks[0].depthwise[0].groups == 64


def test_activations_nest(mobilenet: Family) -> None:
    mobilenet.eval()
    outer, inner = random_config(mobilenet, 1), random_config(mobilenet, 2)
    expected = {config: mobilenet(X, config=config) for config in (outer, inner, mobilenet.space.max())}
    before = snapshot(mobilenet.model)
    with mobilenet.activate(outer) as member:
        inside = snapshot(member)
        for config in (inner, outer, mobilenet.space.max()):
            with mobilenet.activate(config):
                assert torch.equal(member(X), expected[config])
            assert torch.equal(member(X), expected[outer])
        with pytest.raises(ZeroDivisionError), mobilenet.activate(inner):
            raise ZeroDivisionError
        assert snapshot(member) == inside
    assert snapshot(mobilenet.model) == before


def test_a_refused_config_leaves_the_enclosing_member(mobilenet: Family) -> None:
    mobilenet.eval()
    config = random_config(mobilenet)
    other = convert(nn.Sequential(nn.Linear(3, 16), nn.Linear(16, 3)), torch.randn(2, 3))
    with mobilenet.activate(config) as member:
        inside = snapshot(member)
        with pytest.raises(SuppleError, match="belongs to space"), mobilenet.activate(other.space.max()):
            pass
        assert snapshot(member) == inside


def test_members_can_be_taken_out_while_another_is_active(mobilenet: Family) -> None:
    mobilenet.eval()
    outer, inner = random_config(mobilenet, 1), random_config(mobilenet, 2)
    expected = mobilenet(X, config=inner)
    with mobilenet.activate(outer):
        assert torch.equal(mobilenet.extract(inner)(X), expected)
        assert mobilenet.materialize(inner).keys() == mobilenet.extract(inner).state_dict().keys()


def test_training_a_member_leaves_the_full_networks_statistics(mobilenet: Family) -> None:
    mobilenet.train()
    before = copy.deepcopy(dict(mobilenet.named_buffers()))
    for seed in range(3):
        mobilenet(X, config=random_config(mobilenet, seed)).sum().backward()
    assert all(torch.equal(before[name], buffer) for name, buffer in mobilenet.named_buffers())


def test_training_the_full_network_moves_its_statistics(mobilenet: Family) -> None:
    mobilenet.train()
    before = mobilenet.model.stem[1].running_mean.clone()
    mobilenet(X)
    assert not torch.equal(mobilenet.model.stem[1].running_mean, before)


def test_norms_that_stay_in_eval_mode_use_the_full_networks_statistics(mobilenet: Family) -> None:
    mobilenet.train()
    frozen = mobilenet.model.stem[1].eval()
    config = random_config(mobilenet)
    with mobilenet.activate(config):
        assert torch.equal(frozen.running_mean, mobilenet.model.stem[1].running_mean)
        assert frozen.running_mean is not None
        assert len(frozen.running_mean) == config["stem.width"]


def test_training_a_member_leaves_the_models_own_buffers() -> None:
    family = hard("buffered").train()
    before = copy.deepcopy(dict(family.named_buffers()))
    family(HARD["buffered"].inputs(), config=family.space.min())
    assert all(torch.equal(before[name], buffer) for name, buffer in family.named_buffers())
    family(HARD["buffered"].inputs())
    assert family.model.steps == before["model.steps"] + 1


def test_shared_modules_and_weights_are_shared_in_the_member() -> None:
    family = hard("tied layers")
    with family.activate(family.space.min()) as member:
        assert member.third.weight is member.second.weight
        assert member.again is member.third
    extracted = family.extract(family.space.min())
    assert extracted.third.weight is extracted.second.weight
    assert extracted.again is extracted.third


def test_what_stands_twice_in_a_container_stays_twice() -> None:
    family = hard("dropped")
    config = family.space.config({"tail.depth": 1})
    with family.activate(config) as member:
        assert [type(layer).__name__ for layer in member.tail] == ["Linear", "Tanh", "Linear", "Tanh", "Residual"]
    assert len(list(family.extract(config).tail)) == 5


def test_a_member_is_stale_after_an_optimizers_step(resnet: Family) -> None:
    optimizer = torch.optim.SGD(resnet.parameters(), 0.1)
    x = torch.randn(4, 1, 28, 28)
    with resnet.activate(resnet.space.min()) as member:
        member(x).sum().backward()
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified inplace"):
            member(x)


def test_inputs_by_name_reach_the_users_model() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
            return self.last(self.first(x)) * scale  # type: ignore[no-any-return]

    family = convert(Named(), torch.randn(2, 3))
    x = torch.randn(4, 3)
    config = family.space.min()
    assert torch.equal(family(x, config=config, scale=2.0), family(x, config=config) * 2)


def test_a_dictionary_is_no_config(resnet: Family) -> None:
    with pytest.raises(SuppleError, match=r"make one with space\.config"):
        resnet(torch.randn(4, 1, 28, 28), config={"stem.width": 8})
