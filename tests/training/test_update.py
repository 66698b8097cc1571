"""One step: each member runs once, however often it was drawn."""

from collections.abc import Callable

import pytest
import torch
from conftest import image_batches
from lightning_fabric import Fabric

from supple.family import Family
from supple.training import Classification, Draw, Objective, Plan, Sandwich, SandwichConfig
from supple.training.optimizer import build_optimizer
from supple.training.processes import Processes
from supple.training.update import Updater


@pytest.fixture
def update(family: Family) -> Callable[[tuple[Draw, ...]], None]:
    """Return a step on a fixed batch, whose optimizer leaves the weights as they are."""
    fabric = Fabric(accelerator="cpu", devices=1)
    task = Classification()
    updater = Updater(
        family,
        fabric,
        fabric.setup_optimizers(build_optimizer(family, 1e-12, 0.0)),
        task,
        Objective(family, task),
        1e12,
        Processes(),
        scales_gradients=False,
    )
    family.model.dropout.p = 0.0
    family.train()
    batches = list(image_batches(32, seed=1))

    def run(draws: tuple[Draw, ...]) -> None:
        assert updater.update(draws, batches, 1e-12).broken is None

    return run


def test_a_member_drawn_several_times_runs_once_per_batch(family, update):
    draws = Sandwich(Plan.of(family, 1), SandwichConfig(random_members=40)).step(0)
    runs = []
    family.model.head.register_forward_hook(lambda *_: runs.append(1))
    update(draws)
    assert sum(draw.weight for draw in draws) == 42
    assert len(draws) == len({draw.config for draw in draws}) <= len(list(family.space)) < 42
    # Of two batches.
    assert len(runs) == 2 * len(draws)


def test_a_member_that_runs_once_for_two_draws_gets_the_gradient_of_both(family, update):
    largest, smallest = Draw(family.space.max()), Draw(family.space.min())
    found = []
    for draws in ((largest, smallest, smallest), (largest, Draw(smallest.config, 2.0))):
        # Given twice to the updater, which merges nothing, and once as the sampler merges it.
        update(draws)
        found.append([parameter.grad.clone() for parameter in family.parameters()])
    torch.testing.assert_close(*found)
