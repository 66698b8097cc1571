"""Path importance: values with large gradients are drawn more, the more so the longer the run goes on."""

import pytest
from sampler_cases import SPACE, plan

from supple.training import StepReport
from supple.training.path_importance import PathImportance, PathImportanceConfig


def train(sampler: PathImportance, steps: int) -> None:
    """Let members with the small kernel have four times the gradient of others; all gradients fall with time."""
    for step in range(steps):
        (draw,) = sampler.step(step)
        norm = (4.0 if draw.config["kernel"] == 3 else 1.0) * 0.99**step
        sampler.observe(StepReport(step, {draw.config: 1.0}, norm))


def test_a_step_trains_one_member():
    sampler = PathImportance(plan())
    assert all(len(sampler.step(step)) == 1 for step in range(50))


def test_at_the_beginning_values_are_equally_likely():
    sampler = PathImportance(plan(steps=300))
    train(sampler, 300)
    assert sampler.probabilities("kernel", 0) == [0.5, 0.5]


def test_values_of_large_gradients_become_likelier():
    sampler = PathImportance(plan(steps=300))
    train(sampler, 300)
    small, large = sampler.probabilities("kernel", 299)
    # Four to one, as far as the mean of the last ten steps or so goes.
    assert 0.65 < small < 0.9
    assert small + large == pytest.approx(1)


def test_the_share_that_gradients_decide_has_its_bound():
    sampler = PathImportance(plan(steps=300), PathImportanceConfig(final_share=0.2))
    train(sampler, 300)
    assert 0.5 < sampler.probabilities("kernel", 299)[0] < 0.6


def test_only_values_of_the_member_learn_from_its_gradient():
    sampler = PathImportance(plan(steps=10))
    sampler.observe(StepReport(0, {SPACE.max(): 1.0}, 1.0))
    sampler.observe(StepReport(1, {SPACE.config({"depth": 1}): 1.0}, 9.0))
    # Where depth is 1, the third block is not there: its widths stand where the first step left them.
    assert sampler.probabilities("3.hidden", 5) == [1 / 8] * 8
    assert sampler.probabilities("1.hidden", 5)[-1] > 1 / 8


def test_gradients_of_zero_do_no_harm():
    sampler = PathImportance(plan(steps=10))
    sampler.observe(StepReport(0, {SPACE.max(): 1.0}, 0.0))
    assert sum(sampler.probabilities("kernel", 9)) == pytest.approx(1)


def test_a_gradient_that_weights_have_scaled_is_scaled_back():
    weighted = PathImportance(plan(steps=10), PathImportanceConfig(cost_exponent=1))
    smallest = weighted.plan.cost(SPACE.min()) / weighted.plan.cost(SPACE.max())
    weighted.observe(StepReport(0, {SPACE.max(): 1.0}, 1.0))
    weighted.observe(StepReport(1, {SPACE.min(): 1.0}, smallest))
    assert weighted.probabilities("kernel", 9) == pytest.approx([0.5, 0.5])
