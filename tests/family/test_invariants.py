"""The invariants of every family, bit for bit (DESIGN.md, 1 to 4), on the reference models and on hard small ones."""

import copy
import random

import pytest
import torch
from family_cases import CASES, HARD, REFERENCE, whole_of
from torch import nn

from supple import Config, Family, convert

RANDOM_CONFIGS = 10


def family_of(name: str, converted: dict[str, Family]) -> Family:
    if name in REFERENCE:
        return copy.deepcopy(converted[name])
    torch.manual_seed(2)
    return convert(HARD[name].model(), HARD[name].inputs(2))


def configs_of(family: Family) -> list[Config]:
    rng = random.Random(7)
    drawn = [family.space.sample(rng) for _ in range(RANDOM_CONFIGS)]
    each = [family.space.config({entry.name: entry.smallest}) for entry in family.space.dimensions]
    return [family.space.max(), family.space.min(), *drawn, *(each if len(each) < 10 else [])]


def run(model: nn.Module, x: torch.Tensor, config: Config | None = None) -> torch.Tensor:
    with torch.no_grad():
        return model(x) if config is None else model(x, config=config)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_full_config_is_the_users_model(
    name: str, originals: dict[str, nn.Module], converted: dict[str, Family]
) -> None:
    original, family = originals[name].eval(), converted[name].eval()
    x = REFERENCE[name].inputs()
    expected = run(original, x)
    assert torch.equal(run(family, x), expected)
    assert torch.equal(run(family, x, family.space.max()), expected)
    assert torch.equal(run(family.extract(family.space.max()), x), expected)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
@pytest.mark.parametrize("name", CASES)
def test_a_member_is_its_extracted_network(name: str, training: bool, converted: dict[str, Family]) -> None:
    family = family_of(name, converted).train(training)
    x = CASES[name].inputs()
    for config in configs_of(family):
        member = family.extract(config)
        assert member.training == training
        assert type(member) is type(family.model)
        assert torch.equal(run(family, x, config), run(member, x)), config


@pytest.mark.parametrize("name", ["resnet_demo", "mobilenet_small", "concatenated", "buffered"])
def test_a_calibrated_member_is_its_extracted_network(name: str, converted: dict[str, Family]) -> None:
    family = family_of(name, converted).eval()
    x = CASES[name].inputs()
    for config in configs_of(family)[:5]:
        before = run(family, x, config)
        family.calibrate(config, [CASES[name].inputs(16), CASES[name].inputs(16)])
        after = run(family, x, config)
        assert torch.equal(after, run(family.extract(config), x))
        assert torch.equal(before, after) == (config == family.space.max())


@pytest.mark.parametrize("name", CASES)
def test_state_dicts_have_the_users_keys(name: str, converted: dict[str, Family]) -> None:
    family = family_of(name, converted)
    user_keys = list(CASES[name].model().state_dict())
    for config in configs_of(family):
        state = family.extract(config).state_dict()
        assert list(state) == [key for key in user_keys if family.structure.keeps(key, config)]
        assert {key: tuple(tensor.shape) for key, tensor in state.items()} == {
            key: family.structure.shape(key, config) for key in state
        }
        with torch.no_grad():
            materialized = family.materialize(config)
        assert all(torch.equal(materialized[key], tensor) for key, tensor in state.items())


@pytest.mark.parametrize("name", CASES)
def test_a_members_gradient_is_that_of_its_extracted_network(name: str, converted: dict[str, Family]) -> None:
    family = family_of(name, converted).train()
    x = CASES[name].inputs()
    for config in configs_of(family)[1:]:
        member = family.extract(config)
        member(x).square().mean().backward()
        family.zero_grad()
        family(x, config=config).square().mean().backward()
        gradients = {key: parameter.grad for key, parameter in member.named_parameters(remove_duplicate=False)}
        for key, parameter in family.model.named_parameters(remove_duplicate=False):
            if key not in gradients:
                assert parameter.grad is None
            else:
                assert torch.equal(parameter.grad, whole_of(family, key, gradients[key], config)), (key, config)


@pytest.mark.parametrize("name", REFERENCE)
def test_configs_come_back_from_json(name: str, converted: dict[str, Family]) -> None:
    space = converted[name].space
    for config in configs_of(converted[name]):
        assert space.check(Config.from_json(config.to_json())) == config


def test_gradients_of_members_add_up(mobilenet: Family) -> None:
    x = REFERENCE["mobilenet_small"].inputs()
    configs = configs_of(mobilenet.train())[1:4]
    for config in configs:
        mobilenet(x, config=config).square().mean().backward()
    together = {key: parameter.grad for key, parameter in mobilenet.named_parameters()}
    expected: dict[str, torch.Tensor] = {}
    for config in configs:
        mobilenet.zero_grad()
        mobilenet(x, config=config).square().mean().backward()
        for key, parameter in mobilenet.named_parameters():
            if parameter.grad is not None:
                expected[key] = expected[key] + parameter.grad if key in expected else parameter.grad
    assert {key for key, gradient in together.items() if gradient is not None} == expected.keys()
    assert all(torch.equal(together[key], gradient) for key, gradient in expected.items())


@pytest.mark.parametrize("name", ["flattened", "concatenated", "grouped"])
def test_channels_last_weights_stay_in_their_order(name: str) -> None:
    torch.manual_seed(3)
    model = HARD[name].model().to(memory_format=torch.channels_last)
    x = HARD[name].inputs().contiguous(memory_format=torch.channels_last)
    family = convert(model, x)
    assert torch.equal(run(family.eval(), x), run(model.eval(), x))
    for config in configs_of(family):
        member = family.extract(config)
        for key, parameter in member.named_parameters():
            if parameter.dim() == 4:
                assert parameter.is_contiguous(memory_format=torch.channels_last), key
        assert torch.equal(run(family, x, config), run(member, x))
        family.zero_grad()
        member.zero_grad()
        family(x, config=config).square().mean().backward()
        member(x).square().mean().backward()
        for key, parameter in member.named_parameters():
            shared = family.model.get_parameter(key)
            assert torch.equal(shared.grad, whole_of(family, key, parameter.grad, config))


@pytest.mark.parametrize("name", ["concatenated", "tied layers"])
def test_double_precision(name: str) -> None:
    x = HARD[name].inputs(dtype=torch.float64)
    model = HARD[name].model().double().eval()
    family = convert(model, x)
    assert torch.equal(run(family, x), run(model, x))
    config = family.space.min()
    output = run(family, x, config)
    assert output.dtype == torch.float64
    assert torch.equal(output, run(family.extract(config), x))


def test_a_family_that_is_moved_to_another_precision_stays_one(converted: dict[str, Family]) -> None:
    family = family_of("concatenated", converted).double().eval()
    x = HARD["concatenated"].inputs(dtype=torch.float64)
    config = family.space.min()
    assert torch.equal(run(family, x, config), run(family.extract(config), x))


def test_a_frozen_parameter_gets_no_gradient_and_stays_frozen(converted: dict[str, Family]) -> None:
    family = family_of("flattened", converted)
    family.model.conv.weight.requires_grad_(False)
    config = family.space.min()
    family(HARD["flattened"].inputs(), config=config).sum().backward()
    assert family.model.conv.weight.grad is None
    assert family.model.conv.bias.grad is not None
    member = family.extract(config)
    assert not member.conv.weight.requires_grad
    assert member.conv.bias.requires_grad


def test_a_member_of_frozen_parameters_has_no_gradient(converted: dict[str, Family]) -> None:
    family = family_of("flattened", converted).requires_grad_(False)
    assert not family(HARD["flattened"].inputs(), config=family.space.min()).requires_grad
