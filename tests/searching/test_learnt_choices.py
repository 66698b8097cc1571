"""Distributions over choices that gradients teach."""

from itertools import product

import numpy as np
import pytest
import torch
from family_snapshot import snapshot_of
from network_cases import family_of, images
from torch import nn

from supple import convert
from supple.searching.learnt_choices import (
    ExpectedCost,
    Pace,
    drawn_from,
    gap,
    most_likely,
    probabilities,
    sweep,
)
from supple.searching.relaxation import Relaxation
from supple.space import Condition, Dimension, Kind, Space
from supple.trace import ModelInputs
from supple.training import Classification

TASK = Classification()
PACE = Pace(learning_rate=0.3, temperature=0.5)


@pytest.fixture
def space():
    return Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2)),
            Dimension("one", Kind.WIDTH, (8, 16, 24)),
            Dimension("other", Kind.WIDTH, (8, 16), (Condition("depth", 2),)),
        ]
    )


def _cost(values):
    depth, one, other = values.T
    return one * np.where(depth == 2, other, 1).astype(float)


def _family():
    family = family_of("resnet")
    inputs = ModelInputs.of(images(family, 1)[0][0])
    return family, Relaxation.of(family, inputs)


def _parameters_of(family):
    def figure(values):
        names = [entry.name for entry in family.space.dimensions]
        configs = [family.space.config(dict(zip(names, map(int, row), strict=True))) for row in values]
        full = family.count_parameters(family.space.max())
        return np.array([family.count_parameters(config) / full for config in configs])

    return figure


def test_the_slope_of_a_value_is_the_mean_cost_where_it_is_chosen(space):
    distribution = {"depth": np.array([0.3, 0.7]), "one": np.array([0.2, 0.3, 0.5]), "other": np.array([0.6, 0.4])}
    found = ExpectedCost(space, _cost, draws=20000).slopes(distribution, np.random.default_rng(0))
    for entry in space.dimensions:
        for index, value in enumerate(entry.values):
            others = [other for other in space.dimensions if other.name != entry.name]
            expected = 0.0
            for combination in product(*(range(len(other.values)) for other in others)):
                row = {other.name: other.values[at] for other, at in zip(others, combination, strict=True)}
                row[entry.name] = value
                share = np.prod([distribution[o.name][at] for o, at in zip(others, combination, strict=True)])
                expected += share * _cost(np.array([[row[name] for name in ("depth", "one", "other")]]))[0]
            assert found[entry.name][index] == pytest.approx(expected, rel=0.02)


def test_where_cost_is_all_that_counts_the_smallest_member_is_learnt():
    family, relaxation = _family()
    cost = ExpectedCost(family.space, _parameters_of(family), draws=2)
    *_, last = sweep(relaxation, images(family, 12), TASK, cost, [1000.0] * 12, PACE, 0)
    assert most_likely(family.space, last) == family.space.min()


def test_where_cost_counts_nothing_what_the_network_needs_is_learnt():
    # Of its two hidden channels that matter, one is the last: without it half of the classes look alike.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 32, bias=False), nn.Linear(32, 4, bias=False))
    with torch.no_grad():
        model[0].weight.zero_()
        model[1].weight.zero_()
        model[0].weight[0, 0] = model[0].weight[31, 1] = 1
        model[1].weight[:, 0] = torch.tensor([5.0, 5.0, -5.0, -5.0])
        model[1].weight[:, 31] = torch.tensor([5.0, -5.0, 5.0, -5.0])
    x = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).repeat(4, 1)
    batches = [(x, torch.arange(4).repeat(4))] * 20
    family = convert(model, x).eval()
    relaxation = Relaxation.of(family, ModelInputs.of(x))
    assert relaxation.blended == ("0.width",)
    cost = ExpectedCost(family.space, _parameters_of(family), draws=2)
    *_, last = sweep(relaxation, batches, TASK, cost, [0.0] * 20, PACE, 0)
    assert most_likely(family.space, last) == family.space.max()
    assert last["0.width"][-1] > 0.5


def test_what_is_sampled_learns_from_the_losses_of_its_values():
    # Stripes of single rows are seen at full resolution only.
    torch.manual_seed(0)

    class Stripes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.Linear(16, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x).relu().mean((2, 3)))

    model = Stripes()
    with torch.no_grad():
        model.conv.weight.zero_()
        model.conv.weight[0, 0, :, 1] = torch.tensor([-1.0, 2, -1])
        model.head.weight.zero_()
        model.head.weight[0, 0] = 4
        model.head.bias.copy_(torch.tensor([0.0, 3]))
    stripes = torch.tensor([1.0, -1.0]).repeat(8)[:, None].expand(1, 16, 16)
    x = torch.stack([stripes, torch.zeros(1, 16, 16)] * 4)
    batches = [(x, torch.tensor([0, 1] * 4))] * 40
    family = convert(model, x, resolutions=[8]).eval()
    relaxation = Relaxation.of(family, ModelInputs.of(x))
    assert relaxation.sampled == ("input.resolution",)
    cost = ExpectedCost(family.space, lambda values: np.zeros(len(values)), draws=2)
    *_, last = sweep(relaxation, batches, TASK, cost, [0.0] * 40, PACE, 0)
    assert last["input.resolution"][-1] > 0.7


def test_a_sweep_is_a_function_of_its_seed_and_changes_nothing_of_the_family():
    family, relaxation = _family()
    cost = ExpectedCost(family.space, _parameters_of(family), draws=2)
    family.train()
    before = snapshot_of(family)
    first, again, other = (
        list(sweep(relaxation, images(family, 3), TASK, cost, [0.1, 1.0, 10.0], PACE, seed)) for seed in (0, 0, 1)
    )
    assert snapshot_of(family) == before
    assert len(first) == 3
    assert all(np.array_equal(first[-1][name], again[-1][name]) for name in first[-1])
    assert any(not np.array_equal(first[-1][name], other[-1][name]) for name in first[-1])


def test_a_step_without_a_finite_loss_teaches_nothing():
    family, relaxation = _family()
    (x, y), *_ = images(family, 1)
    cost = ExpectedCost(family.space, _parameters_of(family), draws=2)
    (found,) = sweep(relaxation, [(x * torch.nan, y)], TASK, cost, [1.0], PACE, 0)
    assert all(np.allclose(shares, 1 / len(shares)) for shares in found.values())


def test_the_gap_is_what_the_smallest_member_loses_more():
    family, relaxation = _family()
    batches = images(family, 2)
    family.train()
    losses = {}
    for name, config in (("small", family.space.min()), ("large", family.space.max())):
        with torch.no_grad():
            losses[name] = np.mean([TASK.loss(family(x, config=config), (x, y)).item() for x, y in batches])
    found = gap(relaxation, batches, TASK)
    assert found == pytest.approx(max(losses["small"] - losses["large"], 0.01 * losses["large"]), rel=1e-4)


def test_the_most_likely_member_and_draws_follow_the_distribution(space):
    distribution = {"depth": np.array([0.1, 0.9]), "one": np.array([0.5, 0.5, 0.0]), "other": np.array([1.0, 0.0])}
    # Of two that are as likely, the larger.
    assert most_likely(space, distribution) == space.config({"depth": 2, "one": 16, "other": 8})
    rng = np.random.default_rng(0)
    drawn = [drawn_from(space, distribution, rng) for _ in range(200)]
    assert {config["one"] for config in drawn} == {8, 16}
    assert sum(config["depth"] == 2 for config in drawn) > 150


def test_probabilities_add_up_to_one():
    found = probabilities({"one": torch.tensor([100.0, -100.0, 0.0])})
    assert found["one"].sum() == 1
    assert found["one"][0] == pytest.approx(1)
