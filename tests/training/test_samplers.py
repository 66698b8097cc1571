"""What every sampler must do, and what each one does."""

import json
import random
from collections.abc import Callable

import pytest

from supple.space import Condition, Dimension, Kind, Space
from supple.training import Sampler, Sandwich

SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2)),
        Dimension("width", Kind.WIDTH, (8, 16, 24)),
        Dimension("hidden", Kind.HIDDEN, (8, 16), (Condition("depth", 2),)),
    ]
)

# A new sampler adds itself here.
SAMPLERS: dict[str, Callable[[Space], Sampler]] = {
    "sandwich": lambda space: Sandwich(space, random_members=2),
    "sandwich of the two ends": lambda space: Sandwich(space, random_members=0),
}

every_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


def drawn(sampler: Sampler, steps: range) -> list[list[object]]:
    return [list(sampler.members(step, random.Random(f"5/{step}"))) for step in steps]


@every_sampler
def test_every_member_belongs_to_the_space(make):
    for members in drawn(make(SPACE), range(50)):
        assert members
        for config in members:
            SPACE.check(config)


@every_sampler
def test_the_largest_member_stands_first_where_it_teaches(make):
    for members in drawn(make(SPACE), range(50)):
        assert SPACE.max() not in members[1:] or members[0] == SPACE.max()


@every_sampler
def test_members_depend_on_step_and_random_numbers_alone(make):
    random.seed(1)
    first = drawn(make(SPACE), range(20))
    random.seed(2)
    assert drawn(make(SPACE), range(20)) == first


@every_sampler
def test_a_restored_sampler_goes_on_where_the_first_one_was(make):
    whole = drawn(make(SPACE), range(20))
    interrupted = make(SPACE)
    drawn(interrupted, range(12))
    restored = make(SPACE)
    restored.load_state(json.loads(json.dumps(interrupted.state())))
    assert drawn(restored, range(12, 20)) == whole[12:]


def test_a_sandwich_is_the_largest_the_smallest_and_random_members():
    members = Sandwich(SPACE, 3).members(0, random.Random(0))
    rng = random.Random(0)
    assert list(members) == [SPACE.max(), SPACE.min(), *(SPACE.sample(rng) for _ in range(3))]
