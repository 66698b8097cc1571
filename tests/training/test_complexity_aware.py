"""Complexity-aware sampling: bounded change of cost, all costs, and members that did well."""

from collections import Counter
from itertools import pairwise
from statistics import fmean

from sampler_cases import SPACE, cost, plan

from supple.training import StepReport
from supple.training.complexity_aware import ComplexityAware, ComplexityAwareConfig
from supple.training.drawing import NEAR

SPREAD = cost(SPACE.max()) - cost(SPACE.min())
WITHOUT_ANCHORS = ComplexityAwareConfig(levels=6, anchors=0)


def costs_of_steps(config: ComplexityAwareConfig, steps: int) -> list[float]:
    sampler = ComplexityAware(plan(steps), config)
    return [fmean(cost(draw.config) for draw in sampler.step(step)) for step in range(steps)]


def test_members_of_one_step_cost_about_the_same():
    sampler = ComplexityAware(plan(), WITHOUT_ANCHORS)
    for step in range(100):
        costs = [cost(draw.config) for draw in sampler.step(step)]
        assert max(costs) - min(costs) <= 2 * NEAR * SPREAD


def test_cost_changes_by_one_level_at_most_from_step_to_step():
    costs = costs_of_steps(WITHOUT_ANCHORS, 200)
    assert all(abs(later - earlier) <= (1 / 5 + 2 * NEAR) * SPREAD for earlier, later in pairwise(costs))


def test_all_levels_train_about_as_often():
    levels = Counter(round(5 * (value - cost(SPACE.min())) / SPREAD) for value in costs_of_steps(WITHOUT_ANCHORS, 1200))
    # The steps of a walk hang together: 200 each, give or take half.
    assert set(levels) == set(range(6))
    assert 100 < min(levels.values()) <= max(levels.values()) < 350


def test_the_smallest_member_of_a_step_is_the_largest_anchor_below_its_cost():
    sampler = ComplexityAware(plan(), ComplexityAwareConfig(levels=6, anchors=3))
    seen = set()
    for step in range(200):
        drawn = sampler.step(step)
        level = sampler.costs[int(str(sampler.state()["level"]))]
        anchor = [config for config in sampler.anchors if cost(config) <= level][-1:]
        assert set(anchor) <= {draw.config for draw in drawn}
        seen.update(anchor)
    assert seen == set(sampler.anchors)


def share_of_small_kernels(config: ComplexityAwareConfig) -> float:
    """Return how many of the members of middling cost have a small kernel, where those have the lower losses."""
    sampler, small = ComplexityAware(plan(), config), []
    for step in range(600):
        draws = sampler.step(step)
        losses = {draw.config: 3 / (step + 1) + (draw.config["kernel"] == 5) for draw in draws}
        sampler.observe(StepReport(step, losses, 1.0))
        if sampler.state()["level"] == 1:
            small += [(draw.config["kernel"] == 3) for draw in draws for _ in range(int(draw.weight))]
    return fmean(small)


def test_of_the_members_drawn_those_that_did_well_are_drawn_again():
    anew = ComplexityAwareConfig(levels=3, anchors=0)
    recalled = ComplexityAwareConfig(levels=3, anchors=0, remembered=10, recall=0.5)
    assert share_of_small_kernels(recalled) > share_of_small_kernels(anew) + 0.15


def test_the_full_network_stands_first_where_it_is_to_teach():
    sampler = ComplexityAware(plan(), ComplexityAwareConfig(full_member=True))
    assert all(sampler.step(step)[0].config == SPACE.max() for step in range(30))
