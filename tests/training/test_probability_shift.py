"""Probability shift: regions whose loss still falls are drawn more."""

import pytest
from sampler_cases import SPACE, cost, plan

from supple.space import Config
from supple.training import StepReport
from supple.training.probability_shift import ProbabilityShift, ProbabilityShiftConfig

CONFIG = ProbabilityShiftConfig(regions=4, interval=10, warmup_share=0.2, ends=False, random_members=3)


def quarter(config: Config) -> int:
    low, high = cost(SPACE.min()), cost(SPACE.max())
    return min(int(4 * (cost(config) - low) / (high - low)), 3)


def train(sampler: ProbabilityShift, steps: int) -> list[int]:
    """Let the loss of the dearest quarter fall, and that of all others stay; return the quarters drawn."""
    drawn = []
    for step in range(steps):
        draws = sampler.step(step)
        losses = {draw.config: 4 * 0.98**step if quarter(draw.config) == 3 else 1.0 for draw in draws}
        sampler.observe(StepReport(step, losses, 1.0))
        drawn += [quarter(draw.config) for draw in draws]
    return drawn


def test_probability_moves_to_where_the_loss_falls():
    sampler = ProbabilityShift(plan(steps=200), CONFIG)
    drawn = train(sampler, 200)
    assert sampler.probabilities[3] > 0.7
    assert drawn[-150:].count(3) / 150 > 0.6


def test_every_region_keeps_its_part_of_the_uniform_share():
    sampler = ProbabilityShift(plan(steps=200), CONFIG)
    train(sampler, 200)
    assert all(probability >= 0.3 / 4 - 1e-9 for probability in sampler.probabilities)
    assert sum(sampler.probabilities) == pytest.approx(1)


def test_until_the_warm_up_is_over_all_regions_are_equally_likely():
    sampler = ProbabilityShift(plan(steps=200), CONFIG)
    train(sampler, 39)
    assert sampler.probabilities == [0.25] * 4


def test_where_no_loss_falls_probability_stays_even():
    sampler = ProbabilityShift(plan(steps=50), CONFIG)
    for step in range(50):
        sampler.observe(StepReport(step, {draw.config: 1.0 for draw in sampler.step(step)}, 1.0))
    assert sampler.probabilities == [0.25] * 4


def test_the_two_ends_train_at_each_step_where_they_are_to():
    sampler = ProbabilityShift(plan(), ProbabilityShiftConfig())
    for step in range(20):
        assert [draw.config for draw in sampler.step(step)][:2] == [SPACE.max(), SPACE.min()]
