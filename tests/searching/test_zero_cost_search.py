"""The zero-cost searcher: of a pool, what a score thinks best at every cost is evaluated."""

from itertools import pairwise

import pytest
from network_cases import family_of, problem_of
from pydantic import ValidationError

from supple.errors import SuppleError
from supple.searching import Evaluation, History
from supple.searching.looks import EvaluationSize
from supple.searching.problem import Problem
from supple.searching.searchers.zero_cost import ZeroCost, ZeroCostConfig
from supple.searching.wishes import Constraint, Sense
from supple.searching.zero_cost import ScoreName, score_of
from supple.searching.zero_cost.members import first_samples
from supple.training.batches import batches_of_epoch

SMALL = ZeroCostConfig(score=ScoreName.GRADSIGN, pool=12, strata=4, samples=4)


@pytest.fixture
def problem():
    return problem_of(family_of("resnet"))


def _told(problem, configs):
    return [Evaluation(config, {"accuracy": 0.5, "macs": 1.0, "parameters": 1.0}) for config in configs]


def _proposed(searcher, problem, count, before=()):
    """Propose one by one, each with an outcome before the next."""
    configs = [*_ends(problem), *before]
    for _ in range(count):
        configs.append(searcher.propose(History(problem, _told(problem, configs))))
    return configs[-count:]


def _ends(problem):
    return [problem.space.max(), problem.space.min()]


def test_each_stratum_sends_its_best_member_by_the_score(problem):
    searcher = ZeroCost(problem, 0, SMALL)
    networks = problem.networks
    batch = first_samples(next(batches_of_epoch(networks.train_data, 0, 0)), SMALL.samples, networks.task)
    score = score_of(SMALL.score)
    proposed = _proposed(searcher, problem, 4)
    strata = searcher._strata(0)
    assert sum(map(len, strata)) > 8
    for config, stratum in zip(proposed, strata, strict=True):
        assert config == max(stratum, key=lambda entry: score(networks.family, entry, batch, networks.task))


def test_a_stratum_costs_less_than_the_next(problem):
    cost, strata = problem.cost_proxy(), ZeroCost(problem, 0, SMALL)._strata(3)
    assert all(max(map(cost, low)) <= min(map(cost, high)) for low, high in pairwise(strata))


def test_proposals_cover_all_costs(problem):
    macs = problem.cost_proxy()
    found = sorted(macs(config) for config in _proposed(ZeroCost(problem, 1, SMALL), problem, 8))
    low, high = macs(problem.space.min()), macs(problem.space.max())
    assert found[1] < low + (high - low) / 3
    assert found[-2] > high - (high - low) / 3


def test_what_has_an_outcome_is_not_proposed_again(problem):
    first = _proposed(ZeroCost(problem, 0, SMALL), problem, 4)
    seen = [first[0], *_proposed(ZeroCost(problem, 5, SMALL), problem, 3)]
    next_ones = _proposed(ZeroCost(problem, 0, SMALL), problem, 4, seen)
    assert not set(seen) & set(next_ones)


def test_a_round_proposes_what_one_by_one_would(problem):
    searcher = ZeroCost(problem, 2, SMALL)
    pending = []
    for _ in range(4):
        pending.append(searcher.propose(History(problem, _told(problem, _ends(problem)), pending)))
    assert pending == _proposed(ZeroCost(problem, 2, SMALL), problem, 4)


def test_members_that_break_a_known_constraint_are_left_out():
    family = family_of("resnet")
    limit = 0.5 * family.count_macs(family.space.max())
    problem = problem_of(family, constraints=(Constraint("macs", Sense.AT_MOST, limit),))
    found = _proposed(ZeroCost(problem, 0, SMALL), problem, 8)
    assert all(problem.cost_proxy()(config) <= limit for config in found)


def test_where_all_break_a_constraint_the_nearest_are_taken():
    family = family_of("resnet")
    problem = problem_of(family, constraints=(Constraint("macs", Sense.AT_MOST, 1.0),))
    found = _proposed(ZeroCost(problem, 0, SMALL), problem, 4)
    assert all(problem.cost_proxy()(config) < 0.5 * family.count_macs(family.space.max()) for config in found)


def test_scoring_counts_in_parts_of_evaluations(problem):
    history = History(problem, _told(problem, 2 * _ends(problem)))
    # Two proposals after the ends, three members scored for each, four samples each time.
    whole = EvaluationSize.of(problem.networks).samples
    assert ZeroCost(problem, 0, SMALL).spent(history) == pytest.approx(2 * 3 * 30 * 4 / whole)
    assert ZeroCost(problem, 0, SMALL).spent(History(problem, _told(problem, _ends(problem)))) == 0
    flow = ZeroCostConfig(score=ScoreName.SYNFLOW, pool=12, strata=4, samples=4)
    assert ZeroCost(problem, 0, flow).spent(history) == pytest.approx(2 * 3 * 40 / whole)
    counted = ZeroCostConfig(score=ScoreName.MACS, pool=12, strata=4)
    assert ZeroCost(problem, 0, counted).spent(history) == 0


def test_an_evaluation_is_all_validation_and_calibration_samples(problem):
    assert EvaluationSize.of(problem.networks).samples == 4 * 8 + 16


def test_members_that_are_no_networks_have_no_gradients(problem):
    bare = Problem(problem.space, problem.objectives)
    with pytest.raises(SuppleError, match=r'"zero_cost" looks at the gradients of networks.*as "nsga2"'):
        ZeroCost(bare, 0, SMALL)


def test_a_pool_needs_a_member_for_each_stratum():
    with pytest.raises(ValidationError, match="a pool of 4 members has none for some of 8 strata"):
        ZeroCostConfig(pool=4)
