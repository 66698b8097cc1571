"""The gradient searcher: members that sweeps through the cost's weights lead to."""

import re
from dataclasses import replace

import numpy as np
import pytest
from network_cases import ACCURACY, family_of, problem_of
from pydantic import ValidationError

from supple.errors import SuppleError
from supple.searching import Evaluation, History
from supple.searching.looks import EvaluationSize
from supple.searching.searchers.gradient import Gradient, GradientConfig
from supple.searching.wishes import Constraint, Direction, Objective, Sense

SMALL = GradientConfig(steps=16, stages=4, draws=1, learning_rate=0.5, heaviest=1e4)


@pytest.fixture(scope="module")
def problem():
    return problem_of(family_of("resnet"))


def _told(problem, configs):
    return [Evaluation(config, {"accuracy": 0.5, "macs": 1.0, "parameters": 1.0}) for config in configs]


def _sweep(problem, **changes):
    return Gradient(problem, 0, SMALL.model_copy(update=changes))._sweep(0)


def test_the_more_the_cost_weighs_the_smaller_members_are(problem):
    *_, lightest = _sweep(problem, draws=0, lightest=1e-6, heaviest=1e-6)
    *_, heaviest = _sweep(problem, draws=0, lightest=1e6, heaviest=1e6)
    assert heaviest == problem.space.min()
    assert problem.cost_proxy()(lightest) > problem.cost_proxy()(heaviest)


def test_draws_come_after_the_most_likely_members(problem):
    likely, more = _sweep(problem, draws=0), _sweep(problem, draws=3)
    assert more[: len(likely)] == likely
    assert len(more) > len(likely)


def test_members_of_a_sweep_are_proposed_in_their_order(problem):
    searcher, pending = Gradient(problem, 0, SMALL), []
    ends = _told(problem, [problem.space.max(), problem.space.min()])
    for _ in range(3):
        pending.append(searcher.propose(History(problem, ends, pending)))
    assert pending == [config for config in _sweep(problem) if config not in {entry.config for entry in ends}][:3]


def test_the_next_sweep_has_other_random_numbers(problem):
    searcher = Gradient(problem, 0, SMALL)
    assert searcher._sweep(0) != searcher._sweep(1)
    assert searcher._sweep(1) == Gradient(problem, 0, SMALL)._sweep(1)


def test_a_sweep_counts_in_the_budget_from_its_first_member_on(problem):
    searcher = Gradient(problem, 0, SMALL)
    ends = [problem.space.max(), problem.space.min()]
    # 16 steps of 8 samples, a backward pass counting twice; 4 batches for both ends; 48 samples are an evaluation.
    assert EvaluationSize.of(problem.networks).samples == 48
    both_ends = 2 * 4 * 8 / 48
    one = 3 * 16 * 8 / 48
    spent = [searcher.spent(History(problem, _told(problem, (ends * 9)[:told]))) for told in (0, 2, 3, 10, 11)]
    assert spent == pytest.approx([0, 0, both_ends + one, both_ends + one, both_ends + 2 * one])


def test_members_that_break_a_known_constraint_come_last(problem):
    cost = problem.cost_proxy()
    limit = 0.7 * cost(problem.space.max())
    limited = replace(problem, constraints=(Constraint("macs", Sense.AT_MOST, limit),))
    breaks = [cost(config) > limit for config in Gradient(limited, 0, SMALL)._sweep(0)]
    assert breaks == sorted(breaks)
    assert not breaks[0]


def test_the_cost_is_the_mean_of_all_known_ones_that_are_wanted(problem):
    parameters = Objective("parameters", Direction.MINIMIZE)
    both = replace(problem, objectives=(*problem.objectives, parameters))
    space = problem.space
    values = problem.values([space.min(), space.max(), space.config({"stages.0.depth": 1})])
    found = Gradient(both, 0, SMALL)._cost(values)
    shares = []
    for name in ("macs", "parameters"):
        figures = problem.known[name](values)
        shares.append((figures - figures[0]) / (figures[1] - figures[0]))
    assert np.allclose(found, np.mean(shares, axis=0))
    assert np.allclose(found[:2], [0, 1])


def test_where_no_cost_is_wanted_multiply_accumulates_stand_for_it(problem):
    alone = replace(problem, objectives=(ACCURACY,))
    values = problem.values([problem.space.config({"stages.0.depth": 1})])
    assert np.allclose(Gradient(alone, 0, SMALL)._cost(values), Gradient(problem, 0, SMALL)._cost(values))


def test_members_that_are_no_networks_have_no_gradients(problem):
    with pytest.raises(SuppleError, match=r'"gradient" learns from the gradients of networks.*as "nsga2"'):
        Gradient(replace(problem, networks=None), 0)


def test_a_cost_must_be_known(problem):
    with pytest.raises(SuppleError, match="needs a cost that is known without measuring, as macs"):
        Gradient(replace(problem, known={}), 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lightest": 2, "heaviest": 1}, "the weight of the cost grows: 2.0 cannot come before 1.0"),
        ({"steps": 4, "stages": 8}, "4 steps have no place for 8 stages"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        GradientConfig(**settings)
