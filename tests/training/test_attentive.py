"""Attentive sampling: of members of one cost, those predicted best or worst."""

import random
from statistics import fmean

import pytest
from sampler_cases import SPACE, cost, plan

from supple.space import Config
from supple.training import StepReport
from supple.training.attentive import Attentive, AttentiveConfig, Pick
from supple.training.drawing import Over
from supple.training.loss_predictor import LossPredictor


def loss(config: Config, step: int) -> float:
    """Return a loss that falls with time, jumps from batch to batch, and is high for wide members."""
    batch = 1 + random.Random(step).random()
    return batch * (2 / (1 + 0.05 * step) + 0.5) * (1 + config["0.width"] / 64 - cost(config) / 50_000)


def trained(config: AttentiveConfig, steps: int) -> Attentive:
    sampler = Attentive(plan(steps), config)
    for step in range(steps):
        losses = {draw.config: loss(draw.config, step) for draw in sampler.step(step)}
        sampler.observe(StepReport(step, losses, 1.0))
    return sampler


def mean_width(sampler: Attentive) -> float:
    return fmean(draw.config["0.width"] for step in range(100) for draw in sampler.step(step)[2:])


def test_the_two_ends_come_first():
    sampler = Attentive(plan())
    assert [draw.config for draw in sampler.step(0)][:2] == [SPACE.max(), SPACE.min()]


@pytest.mark.parametrize("over", list(Over))
def test_the_best_or_the_worst_of_the_candidates_train(over):
    best = trained(AttentiveConfig(candidates=6, over=over), 80)
    worst = trained(AttentiveConfig(candidates=6, over=over, pick=Pick.WORST), 80)
    assert mean_width(best) < mean_width(Attentive(plan(), AttentiveConfig(over=over))) - 4
    assert mean_width(worst) > mean_width(Attentive(plan(), AttentiveConfig(over=over))) + 4


def test_candidates_cost_about_the_same_whichever_is_picked():
    config = AttentiveConfig(candidates=6)
    costs = [
        [cost(draw.config) for step in range(40) for draw in sampler.step(step)[2:]]
        for sampler in (trained(config, 80), Attentive(plan(80), config))
    ]
    assert fmean(costs[0]) == pytest.approx(fmean(costs[1]), rel=0.15)


def test_a_predictor_ranks_members_by_what_it_has_seen():
    predictor, rng = LossPredictor(plan(), remembered=200), random.Random(3)
    assert not predictor.is_fitted
    for _ in range(200):
        config = SPACE.sample(rng)
        predictor.add(config, config["0.width"] / 64 + (config["choice"] == 1))
    predictor.fit()
    narrow, wide, odd = (
        SPACE.config({"0.width": width, "choice": option}) for width, option in ((8, 0), (64, 0), (64, 1))
    )
    scores = predictor.scores([narrow, wide, odd])
    assert scores == sorted(scores)
    assert scores[1] - scores[0] == pytest.approx(56 / 64, abs=0.2)


def test_a_predictor_forgets_what_is_old():
    predictor, rng = LossPredictor(plan(), remembered=50), random.Random(4)
    for number in range(100):
        config = SPACE.sample(rng)
        predictor.add(config, config["0.width"] * (1 if number < 50 else -1))
    predictor.fit()
    narrow, wide = predictor.scores([SPACE.config({"0.width": 8}), SPACE.config({"0.width": 64})])
    assert narrow > wide


def test_a_predictor_that_has_seen_nothing_finds_all_alike():
    predictor = LossPredictor(plan(), remembered=5)
    predictor.fit()
    assert predictor.scores([SPACE.min(), SPACE.max()]) == [0, 0]
