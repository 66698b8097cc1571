"""The contract of every searcher."""

import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from searcher_cases import CASES, SETTINGS, SLOW, proposals_of, restarts, search

from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher
from supple.searching.searchers import SearcherChoice, build_searcher
from supple.searching.wishes import Direction, Objective
from supple.space import Dimension, Kind, Space

each_searcher = pytest.mark.parametrize(
    "settings",
    [pytest.param(entry, id=entry.kind, marks=[pytest.mark.slow] if entry.kind in SLOW else []) for entry in SETTINGS],
)
# They need networks, or a cost and a loss: tests of their own hold them to the contract.
ELSEWHERE = {"allocator", "gradient", "halving", "zero_cost"}
GUIDE = Path(__file__).parents[2] / "docs" / "searchers.md"

each_case = pytest.mark.parametrize("name", CASES)


def _count(settings, name):
    """Return how many proposals to ask for: no more than the space has besides the largest and the smallest."""
    return min(proposals_of(settings), CASES[name].problem.space.count() - 2)


@cache
def _whole(settings, name):
    return search(CASES[name], settings, _count(settings, name))


def _configs(outcomes):
    return [outcome.config for outcome in outcomes]


@each_searcher
@each_case
def test_proposals_are_members_of_the_space_that_have_no_outcome_yet(settings, name):
    configs = _configs(_whole(settings, name))
    space = CASES[name].problem.space
    assert [space.check(config) for config in configs] == configs
    assert len(set(configs)) == len(configs)


@each_searcher
@each_case
def test_a_search_that_dies_goes_on_as_it_would_have(settings, name):
    for seed in range(2):
        died = search(CASES[name], settings, _count(settings, name), is_restarted=restarts(seed))
        assert died == _whole(settings, name)


@each_searcher
def test_proposals_depend_on_the_seed(settings):
    case = CASES["depths"]
    assert search(case, settings, 8, seed=4) != search(case, settings, 8, seed=5)


@each_searcher
@pytest.mark.parametrize("together", [1, 7])
def test_rounds_of_any_size_will_do_and_die_as_well(settings, together):
    case, count = CASES["constraints"], proposals_of(settings)
    whole = search(case, settings, count, together=together)
    assert len(set(_configs(whole))) == count + 2
    assert search(case, settings, count, together=together, is_restarted=restarts(together)) == whole


@each_searcher
def test_members_that_fail_are_not_proposed_again_and_stop_nothing(settings):
    case, count = CASES["operators"], proposals_of(settings)
    outcomes = search(case, settings, count, fails=lambda config: config["width0"] in (16, 24))
    assert len(set(_configs(outcomes))) == count + 2


@each_searcher
def test_a_searcher_that_was_asked_about_another_history_knows_nothing_of_it(settings):
    case, count = CASES["depths"], proposals_of(settings)
    searcher = build_searcher(settings, case.problem, 3)
    whole, other = _whole(settings, "depths"), search(case, settings, count, seed=8)
    last = [History(case.problem, outcomes[: -searcher.together]) for outcomes in (whole, other, whole)]
    proposed = [searcher.propose(history) for history in last]
    assert proposed == [build_searcher(settings, case.problem, 3).propose(history) for history in last]


@each_searcher
def test_a_space_is_found_whole(settings):
    case = CASES["one dimension"]
    space = case.problem.space
    assert set(_configs(search(case, settings, space.count() - 2))) == set(space)


@each_searcher
def test_a_space_of_one_member_has_one_proposal(settings):
    space = Space([Dimension("width", Kind.WIDTH, (8,))])
    problem = Problem(space, (Objective("accuracy", Direction.MAXIMIZE),))
    assert build_searcher(settings, problem, 0).propose(History(problem, ())) == space.max()


@each_searcher
def test_it_says_how_many_it_proposes_together(settings):
    searcher = build_searcher(settings, CASES["depths"].problem, 0)
    assert isinstance(searcher, Searcher)
    assert searcher.together >= 1
    assert searcher.spent(History(searcher.problem, ())) == 0


def _kinds():
    return {settings.model_fields["kind"].default for settings in get_args(get_args(SearcherChoice)[0])}


def test_every_searcher_of_the_catalogue_is_held_to_the_contract():
    assert _kinds() - ELSEWHERE == {settings.kind for settings in SETTINGS}


def test_every_searcher_of_the_catalogue_stands_in_the_guide():
    assert _kinds() <= set(re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(), re.MULTILINE))


def test_the_searcher_of_the_guide_works_as_written():
    code = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)[-1]
    made = {}
    exec(compile(code, str(GUIDE), "exec"), made)
    case = CASES["depths"]
    searcher = made["NearFront"](case.problem, 0)
    space = case.problem.space
    proposed = searcher.propose(History(case.problem, [case.evaluate(space.max()), case.evaluate(space.min())]))
    assert proposed in {*space.neighbours(space.max()), *space.neighbours(space.min())}
