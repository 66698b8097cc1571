"""Uniform sampling: over members, or over what they cost."""

from statistics import fmean

from sampler_cases import SPACE, cost, plan

from supple.training.drawing import Over
from supple.training.uniform import Uniform, UniformConfig


def shares_of_small_members(config: UniformConfig) -> float:
    """Return the share of members drawn in 400 steps that cost less than the middle of the range."""
    sampler, middle = Uniform(plan(), config), (cost(SPACE.min()) + cost(SPACE.max())) / 2
    return fmean(cost(draw.config) < middle for step in range(400) for draw in sampler.step(step))


def test_a_step_trains_so_many_members():
    sampler = Uniform(plan(), UniformConfig(random_members=4))
    assert sum(draw.weight for draw in sampler.step(3)) == 4


def test_over_cost_half_of_the_members_cost_less_than_the_middle():
    # 400 draws: 0.5 +- 0.025 (one standard deviation).
    assert 0.4 < shares_of_small_members(UniformConfig(over=Over.COST)) < 0.6


def test_over_members_far_more_do():
    assert shares_of_small_members(UniformConfig()) > 0.8
