"""Delayed shrinking: who trains when, and how much it weighs."""

import pytest
from pydantic import ValidationError
from sampler_cases import SPACE, plan

from supple.training import Draw
from supple.training.delayed import Delayed, DelayedConfig

CONFIG = DelayedConfig(start=0.5, warmup_share=0.2, epsilon=0.1)


def test_before_the_start_the_full_network_trains_alone():
    sampler = Delayed(plan(steps=100), CONFIG)
    assert all(sampler.step(step) == (Draw(SPACE.max()),) for step in range(50))


def test_from_the_start_on_smaller_members_follow_the_full_network():
    sampler = Delayed(plan(steps=100), CONFIG)
    for step in range(50, 100):
        first, second, *others = sampler.step(step)
        assert first == Draw(SPACE.max())
        assert second.config == SPACE.min()
        assert others


@pytest.mark.parametrize(("step", "weight"), [(50, 0.1), (60, 0.55), (69, 0.955), (70, 1.0), (99, 1.0)])
def test_the_weight_of_smaller_members_grows_evenly(step, weight):
    _, *smaller = Delayed(plan(steps=100), CONFIG).step(step)
    assert smaller[0].weight == pytest.approx(weight)


def test_without_a_warm_up_smaller_members_weigh_one_at_once():
    sampler = Delayed(plan(steps=100), DelayedConfig(start=0, warmup_share=0, random_members=0))
    assert sampler.step(0) == (Draw(SPACE.max()), Draw(SPACE.min()))


def test_settings_without_any_smaller_member_are_refused():
    with pytest.raises(ValidationError, match="no smaller member would ever train"):
        DelayedConfig(smallest=False, random_members=0)
