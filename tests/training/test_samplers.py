"""What every sampler must do, and what each one does."""

import json
import random
from collections.abc import Callable

import pytest

from supple.space import Condition, Dimension, Kind, Space
from supple.training import Draw, Plan, Sampler, Sandwich, SandwichConfig

SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2)),
        Dimension("width", Kind.WIDTH, (8, 16, 24)),
        Dimension("hidden", Kind.HIDDEN, (8, 16), (Condition("depth", 2),)),
    ]
)

PLAN = Plan(SPACE, steps=50, cost=lambda config: config["depth"] * config["width"], seed=5)

# A new sampler adds itself here.
SAMPLERS: dict[str, Callable[[Plan], Sampler]] = {
    "sandwich": Sandwich,
    "sandwich of the two ends": lambda plan: Sandwich(plan, SandwichConfig(random_members=0)),
}

every_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


def drawn(sampler: Sampler, steps: range) -> list[list[object]]:
    return [[draw.config for draw in sampler.step(step)] for step in steps]


@every_sampler
def test_every_member_belongs_to_the_space(make):
    for members in drawn(make(PLAN), range(50)):
        assert members
        for config in members:
            SPACE.check(config)


@every_sampler
def test_the_largest_member_stands_first_where_it_teaches(make):
    for members in drawn(make(PLAN), range(50)):
        assert SPACE.max() not in members[1:] or members[0] == SPACE.max()


@every_sampler
def test_members_depend_on_step_and_random_numbers_alone(make):
    random.seed(1)
    first = drawn(make(PLAN), range(20))
    random.seed(2)
    assert drawn(make(PLAN), range(20)) == first


@every_sampler
def test_a_restored_sampler_goes_on_where_the_first_one_was(make):
    whole = drawn(make(PLAN), range(20))
    interrupted = make(PLAN)
    drawn(interrupted, range(12))
    restored = make(PLAN)
    restored.load_state(json.loads(json.dumps(interrupted.state())))
    assert drawn(restored, range(12, 20)) == whole[12:]


def test_a_sandwich_is_the_largest_the_smallest_and_random_members():
    sampler = Sandwich(PLAN, SandwichConfig(random_members=3))
    rng = random.Random("5/0")
    between = [SPACE.sample(rng) for _ in range(3)]
    assert [draw.config for draw in sampler.members(0, random.Random("5/0"))] == [SPACE.max(), SPACE.min(), *between]


def test_a_member_that_is_drawn_twice_counts_twice():
    alone = Plan(Space([]), steps=1, cost=lambda config: 1.0)
    assert Sandwich(alone).step(0) == (Draw(alone.space.max(), weight=4.0),)
