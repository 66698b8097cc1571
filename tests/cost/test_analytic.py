"""Tests of costs by formulas, against members that are taken out, or run."""

import random
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from analytic_cases import FAMILIES, Loops
from torch import nn

from supple import Family, convert
from supple.cost.analytic import AnalyticCosts
from supple.cost.config_arrays import random_values, values_of
from supple.cost.graph import record_member
from supple.cost.peak_memory import recorded_memory_graph
from supple.cost.roofline import Roofline
from supple.cost.scheduling import Scheduling
from supple.errors import SuppleError
from supple.family import LayerMacs
from supple.models import resnet_small
from supple.space import Config, Kind

# Many small operators: several threads only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def costs() -> dict[str, AnalyticCosts]:
    torch.manual_seed(0)
    return {name: AnalyticCosts(make()) for name, make in FAMILIES.items()}


def members(family: Family, count: int, seed: int = 1) -> list[Config]:
    rng = random.Random(seed)
    return [family.space.max(), family.space.min(), *(family.space.sample(rng) for _ in range(count))]


def file_bytes(module: nn.Module) -> int:
    """Return the bytes of a state dict; a tensor that stands there twice counts once."""
    tensors = {tensor.data_ptr(): tensor for tensor in module.state_dict().values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_formulas_give_what_members_are_counted_to_have(name, costs):
    analytic, family = costs[name], costs[name].family
    configs = members(family, 20)
    values = values_of(family.space, configs)
    assert analytic.parameters(values).tolist() == [family.count_parameters(config) for config in configs]
    assert analytic.macs(values).tolist() == [family.count_macs(config) for config in configs]
    assert analytic.weights_bytes(values).tolist() == [file_bytes(family.extract(config)) for config in configs]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_peak_memory_is_that_of_the_members_own_graph(name, costs):
    analytic, family = costs[name], costs[name].family
    configs = members(family, 10, seed=2)
    expected = []
    for config in configs:
        graph, sizes = recorded_memory_graph(record_member(family, config))
        expected.append(Scheduling(graph).best(sizes))
    assert all(schedule.is_exact for schedule in expected)
    assert all(analytic.peak_memory_is_exact(config) for config in configs)
    found = analytic.peak_activation_bytes(values_of(family.space, configs))
    assert found.tolist() == [schedule.peak for schedule in expected]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_formulas_give_what_a_thousand_members_are_counted_to_have(name, costs):
    analytic, family = costs[name], costs[name].family
    configs = members(family, 1000, seed=3)
    values = values_of(family.space, configs)
    assert analytic.parameters(values).tolist() == [family.count_parameters(config) for config in configs]
    assert analytic.macs(values).tolist() == [family.count_macs(config) for config in configs]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_thousand_members_agree_with_what_weights_and_one_run_say(name, costs):
    analytic, family = costs[name], costs[name].family
    configs, layers = members(family, 1000, seed=4), LayerMacs(family)
    values = values_of(family.space, configs)
    assert analytic.parameters(values).tolist() == [family.count_parameters(config) for config in configs]
    assert analytic.macs(values).tolist() == [layers(config) for config in configs]


def test_the_families_have_all_kinds_of_dimensions(costs):
    kinds = {entry.kind for analytic in costs.values() for entry in analytic.family.space.dimensions}
    assert kinds == set(Kind) - {Kind.RANK, Kind.BITS}


def test_one_config_is_one_row(costs):
    analytic = costs["resnet"]
    config = analytic.family.space.min()
    assert analytic.parameters(config).tolist() == [analytic.family.count_parameters(config)]
    assert analytic.peak_activation_bytes(config).shape == (1,)


def test_no_configs_have_no_costs(costs):
    none = np.zeros((0, len(costs["resnet"].family.space)), np.int64)
    assert costs["resnet"].macs(none).shape == costs["resnet"].peak_activation_bytes(none).shape == (0,)


def test_values_without_effect_do_not_matter(costs):
    analytic, space = costs["mobilenet"], costs["mobilenet"].family.space
    values = random_values(space, 200, np.random.default_rng(0))
    proper = values_of(space, [space.config(dict(zip(space.min(), map(int, row), strict=True))) for row in values])
    assert (values != proper).any()
    for cost in (analytic.parameters, analytic.macs, analytic.traffic_bytes, analytic.peak_activation_bytes):
        assert cost(values).tolist() == cost(proper).tolist()


def test_more_configs_than_are_taken_at_once(costs):
    analytic = costs["resnet"]
    values = random_values(analytic.family.space, 70_000, np.random.default_rng(1))
    for cost in (analytic.macs, analytic.peak_activation_bytes):
        assert cost(values)[-100:].tolist() == cost(values[-100:]).tolist()


def test_tied_frozen_and_chosen_dimensions():
    family = convert(
        Loops(),
        torch.zeros(2, 12),
        ties={"both": ["first.0.first.hidden", "second.1.first.hidden"]},
        freeze=["first.1*"],
        choices={"second.2*": [7, 30, 48]},
    )
    assert {"both", "second.2.first.hidden"} <= set(family.space.max())
    assert "first.1.first.hidden" not in family.space
    configs = members(family, 20)
    analytic, values = AnalyticCosts(family), values_of(family.space, configs)
    assert analytic.macs(values).tolist() == [family.count_macs(config) for config in configs]
    assert analytic.parameters(values).tolist() == [family.count_parameters(config) for config in configs]


class Chain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 3, 2, 1)
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean((2, 3)))


@pytest.fixture(scope="module")
def chain() -> AnalyticCosts:
    return AnalyticCosts(convert(Chain(), torch.zeros(3, 1, 4, 4)))


def test_the_bytes_of_a_chain_by_hand(chain):
    full = chain.family.space.max()
    # The image and the first convolution's result, in whose memory the norm and the activation write.
    assert chain.peak_activation_bytes(full).tolist() == [4 * (16 + 16 * 16)]
    first = 16 + 16 * 9 + 16 * 16
    second = 16 * 16 + 4 * 16 * 9 + 4 + 4 * 4
    mean, head = 4 * 4 + 4, 4 + 2 * 4 + 2 + 2
    assert chain.traffic_bytes(full).tolist() == [4 * (first + second + mean + head)]


def test_the_roofline_of_a_chain_by_hand(chain):
    full = chain.family.space.max()
    device = Roofline(macs_per_second=1e6, bytes_per_second=1e6)
    first = max(16 * 16 * 9, 4 * (16 + 16 * 9 + 16 * 16))
    second = max(4 * 4 * 16 * 9, 4 * (16 * 16 + 4 * 16 * 9 + 4 + 4 * 4))
    mean, head = 4 * (4 * 4 + 4), max(8, 4 * (4 + 2 * 4 + 2 + 2))
    assert chain.roofline_ms(full, device) == pytest.approx([(first + second + mean + head) / 1000])


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (32, 4 * (144 + 32 + 580 + 10) + 4 * 32 + 8),
        (8, 144 + 32 + 580 + 10 + 4 * 32 + 8),
        (4, 72 + 16 + 290 + 5 + 4 * 32 + 8),
        ({"layers.0.weight": 4, "head.bias": 1}, 72 + 4 * (32 + 580 + 8) + 1 + 4 * 32 + 8),
    ],
)
def test_weights_at_given_precisions(chain, bits: int | Mapping[str, int], expected: int):
    # Parameters; then running means and variances, and how many batches they come from.
    assert chain.weights_bytes(chain.family.space.max(), bits).tolist() == [expected]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda costs: costs.weights_bytes(costs.family.space.max(), 0), "from 1 to 64 bits, not 0"),
        (
            lambda costs: costs.weights_bytes(costs.family.space.max(), {"head.wait": 8}),
            r'no parameter "head.wait".*head.weight',
        ),
        (lambda costs: costs.macs(np.zeros((2, 3), np.int64)), r"shape \(configs, 1\).*shape \(2, 3\)"),
    ],
)
def test_mistakes(chain, call, message):
    with pytest.raises(SuppleError, match=message):
        call(chain)


def test_a_config_of_another_space_is_refused(costs):
    with pytest.raises(SuppleError, match="belongs to space"):
        costs["resnet"].macs(costs["mobilenet"].family.space.max())


def test_a_family_whose_members_follow_no_formula_is_refused():
    class Uneven(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(12, 32), nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            if x.shape[1] < 32:
                x = x.exp().log()
            return self.last(x)

    family = convert(Uneven(), torch.zeros(2, 12))
    with pytest.raises(SuppleError, match=r"follow no formula.*family.count_macs"):
        AnalyticCosts(family)


def test_inputs_without_shapes_are_refused():
    family = convert(resnet_small(), torch.zeros(2, 3, 16, 16), prove=False)
    with pytest.raises(SuppleError, match="shapes of the example inputs cannot be written down"):
        AnalyticCosts(family.with_structure(replace(family.structure, inputs=None)))


def test_making_them_leaves_the_model_as_it_was():
    family = convert(resnet_small(), torch.zeros(2, 3, 16, 16), prove=False).train()
    before = {key: tensor.clone() for key, tensor in family.model.state_dict().items()}
    AnalyticCosts(family)
    assert all(torch.equal(before[key], tensor) for key, tensor in family.model.state_dict().items())
    assert family.model.training
