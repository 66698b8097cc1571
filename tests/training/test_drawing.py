"""Weights by cost, and members near a cost."""

import random

import pytest
from pydantic import ValidationError
from sampler_cases import SPACE, cost, plan

from supple.space import Space
from supple.training import Draw, Plan
from supple.training.drawing import NEAR, SMALLEST_SHARE, Drawing, DrawingConfig, WeighingConfig

MIDDLE = SPACE.config({"depth": 1, "kernel": 3, "0.width": 32, "1.hidden": 16, "choice": 2})


@pytest.mark.parametrize("exponent", [-1.0, 0.5, 1.0])
def test_a_member_weighs_its_share_of_the_full_cost_to_the_power(exponent):
    drawing = Drawing(plan(), WeighingConfig(cost_exponent=exponent))
    share = cost(MIDDLE) / cost(SPACE.max())
    assert drawing.weighed(MIDDLE, 0.5) == Draw(MIDDLE, pytest.approx(0.5 * share**exponent))
    assert drawing.weighed(SPACE.max()).weight == 1


def test_without_an_exponent_all_members_weigh_the_same():
    assert Drawing(plan(), WeighingConfig()).weighed(MIDDLE) == Draw(MIDDLE, 1.0)


def test_a_member_that_costs_nothing_has_a_finite_weight():
    free = Plan(SPACE, 1, lambda config: 0.0 if config == SPACE.min() else cost(config))
    drawing = Drawing(free, WeighingConfig(cost_exponent=-1))
    assert drawing.weighed(SPACE.min()).weight == pytest.approx(1 / SMALLEST_SHARE)


def test_a_space_that_costs_nothing_weighs_its_members_alike():
    space = Space([])
    drawing = Drawing(Plan(space, 1, lambda config: 0.0), WeighingConfig(cost_exponent=1))
    assert drawing.weighed(space.max()).weight == 1


def test_members_near_a_cost_are_near_it():
    drawing, rng = Drawing(plan(), WeighingConfig()), random.Random(1)
    middle = (drawing.lowest + drawing.highest) / 2
    spread = drawing.highest - drawing.lowest
    assert all(abs(cost(drawing.near(rng, middle)) - middle) <= NEAR * spread for _ in range(50))


def test_the_largest_of_the_draws_comes_first_and_the_rest_keep_their_order():
    drawing = Drawing(plan(), WeighingConfig())
    draws = [Draw(MIDDLE), Draw(SPACE.min()), Draw(SPACE.max())]
    assert [draw.config for draw in drawing.largest_first(draws)] == [SPACE.max(), MIDDLE, SPACE.min()]


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValidationError, match="cost_exponent"):
        WeighingConfig(cost_exponent=3)
    with pytest.raises(ValidationError, match="'members' or 'cost'"):
        DrawingConfig.model_validate({"over": "costs"})
