"""The sandwich rule: both ends at every step."""

import random

from sampler_cases import SPACE, plan

from supple.training import Sandwich, SandwichConfig


def test_a_sandwich_is_the_largest_the_smallest_and_random_members():
    sampler = Sandwich(plan(), SandwichConfig(random_members=3))
    rng = random.Random("5/0")
    between = [SPACE.sample(rng) for _ in range(3)]
    assert [draw.config for draw in sampler.members(0, random.Random("5/0"))] == [SPACE.max(), SPACE.min(), *between]


def test_between_the_ends_different_members_train_at_each_step():
    sampler = Sandwich(plan(), SandwichConfig(random_members=1))
    assert len({sampler.step(step)[2].config for step in range(20)}) > 15
