"""The contract of searchers, for those that look at the networks themselves."""

import random

import pytest
from network_cases import family_of, problem_of
from searcher_cases import Case, restarts, search

from supple.searching import Evaluation
from supple.searching.history import History
from supple.searching.searchers import build_searcher
from supple.searching.searchers.gradient import GradientConfig
from supple.searching.searchers.halving import HalvingConfig
from supple.searching.searchers.zero_cost import ZeroCostConfig
from supple.searching.zero_cost import ScoreName

SETTINGS = [
    ZeroCostConfig(score=ScoreName.GRADSIGN, pool=6, strata=3, samples=2),
    ZeroCostConfig(pool=6, strata=3),
    HalvingConfig(candidates=4, reduction=2),
    GradientConfig(steps=4, stages=2, draws=1),
]
COUNT = 8

each_searcher = pytest.mark.parametrize("settings", SETTINGS, ids=["gradsign", "synflow", "halving", "gradient"])


@pytest.fixture(scope="module")
def case():
    problem = problem_of(family_of("resnet"))

    def evaluate(config):
        figures = {name: float(column[0]) for name, column in problem.known_figures(problem.values([config])).items()}
        return Evaluation(config, figures | {"accuracy": random.Random(str(config)).random()})

    return Case(problem, evaluate)


@each_searcher
def test_proposals_are_members_of_the_space_that_have_no_outcome_yet(settings, case):
    configs = [outcome.config for outcome in search(case, settings, COUNT)]
    assert [case.problem.space.check(config) for config in configs] == configs
    assert len(set(configs)) == COUNT + 2


@each_searcher
@pytest.mark.parametrize("together", [None, 1, 5])
def test_a_search_that_dies_goes_on_as_it_would_have(settings, case, together):
    whole = search(case, settings, COUNT, together=together)
    assert search(case, settings, COUNT, together=together, is_restarted=restarts(1)) == whole


@each_searcher
def test_proposals_depend_on_the_seed(settings, case):
    assert search(case, settings, COUNT, seed=4) != search(case, settings, COUNT, seed=5)


@each_searcher
def test_members_that_fail_are_not_proposed_again_and_stop_nothing(settings, case):
    outcomes = search(case, settings, COUNT, fails=lambda config: config["stages.0.width"] == 8)
    assert len({outcome.config for outcome in outcomes}) == COUNT + 2


@each_searcher
def test_what_is_spent_never_falls(settings, case):
    told = search(case, settings, COUNT)
    searcher = build_searcher(settings, case.problem, 3)
    spent = [searcher.spent(History(case.problem, told[:count])) for count in range(len(told) + 1)]
    assert spent[:3] == [0, 0, 0]
    assert spent == sorted(spent)
    assert spent[-1] > 0


@each_searcher
def test_a_search_finds_every_member_of_a_small_space(settings):
    problem = problem_of(family_of("vit"))
    few = problem.networks.family.structure
    for entry in problem.space.dimensions[1:]:
        few = few.without(entry.name, "to have few members")
    family = problem.networks.family.with_structure(few).eval()
    small = problem_of(family)
    case = Case(small, lambda config: Evaluation(config, {"accuracy": 0.5, "macs": 1.0, "parameters": 1.0}))
    found = {outcome.config for outcome in search(case, settings, family.space.count() - 2)}
    assert found == set(family.space)
