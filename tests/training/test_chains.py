"""Chains of nested members."""

from itertools import pairwise

import pytest
from sampler_cases import ALONE, SPACE, cost, plan

from supple.space import Dimension, Kind, Space
from supple.training import Plan
from supple.training.chains import at_level, chain_over_cost


@pytest.mark.parametrize("length", [2, 5, 8])
def test_each_member_holds_the_one_before_it(length):
    chain = chain_over_cost(plan(), length)
    assert len(chain) == length
    for smaller, larger in pairwise(chain):
        assert all(
            smaller[entry.name] <= larger[entry.name]
            for entry in SPACE.dimensions
            if SPACE.is_active(entry.name, smaller)
        )


def test_a_chain_goes_from_end_to_end_evenly_over_cost():
    chain = chain_over_cost(plan(), 6)
    assert chain[0] == SPACE.config({entry.name: entry.smallest for entry in SPACE.dimensions} | {"choice": 0})
    assert chain[-1] == SPACE.max()
    steps = [cost(larger) - cost(smaller) for smaller, larger in pairwise(chain)]
    # Five steps of a fifth of the range each, but for depth, of which each step is one of a sixth by itself.
    assert max(steps) < (1 / 5 + 1 / 6) * sum(steps)


def test_a_chain_is_no_longer_than_there_are_nested_members():
    assert chain_over_cost(plan(space=ALONE), 4) == (ALONE.max(),)
    two = Space([Dimension("width", Kind.WIDTH, (8, 16))])
    assert chain_over_cost(Plan(two, 1, lambda config: config["width"]), 5) == (two.min(), two.max())


def test_members_of_a_level_stand_at_it_in_the_kinds_that_it_is_for():
    config = at_level(SPACE, 0.5, {Kind.HIDDEN, Kind.OPERATOR})
    assert config == SPACE.config({f"{block}.hidden": 40 for block in (1, 2, 3)} | {"option.hidden": 8})
