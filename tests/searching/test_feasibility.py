"""Whether any member keeps constraints on known figures is told before anything is evaluated."""

import pytest
from searcher_cases import CASES, MANY_WIDTHS, case

import supple
from supple.errors import SuppleError
from supple.searching import SearchConfig
from supple.searching.feasibility import check_known_constraints
from supple.searching.wishes import Constraint, Sense
from supple.space import Space


def limited(*limits):
    return case(MANY_WIDTHS, constraints=limits).problem


def test_what_a_member_keeps_is_no_matter():
    check_known_constraints(limited(Constraint("macs", Sense.AT_MOST, 64), Constraint("macs", Sense.AT_LEAST, 64)))
    check_known_constraints(CASES["depths"].problem)


def test_a_limit_below_the_smallest_member_is_told_with_the_nearest():
    with pytest.raises(SuppleError, match='No member keeps "macs <= 63": the least found is 64, of Config'):
        check_known_constraints(limited(Constraint("macs", Sense.AT_MOST, 63)))


def test_a_limit_above_the_largest_member_is_told_with_the_nearest():
    with pytest.raises(SuppleError, match='No member keeps "macs >= 1000": the most found is 512, of Config'):
        check_known_constraints(limited(Constraint("macs", Sense.AT_LEAST, 1000)))


def test_limits_that_no_member_keeps_together_are_named_together():
    space = Space(MANY_WIDTHS)
    costs = {"macs": lambda config: sum(config.values()), "weights": lambda config: 2 * sum(config.values())}
    wanted = SearchConfig(constraints=("macs >= 300", "weights <= 400"))
    with pytest.raises(SuppleError, match='No member was found that keeps "macs >= 300" and "weights <= 400": the nea'):
        supple.search(space, config=wanted, measures={"accuracy": lambda config: 0.5}, costs=costs)


def test_what_must_be_evaluated_is_not_judged_beforehand():
    check_known_constraints(limited(Constraint("accuracy", Sense.AT_LEAST, 99)))


def test_nothing_is_evaluated_before():
    asked = []
    with pytest.raises(SuppleError, match="No member keeps"):
        supple.search(
            Space(MANY_WIDTHS),
            config=SearchConfig(constraints=("macs <= 1",)),
            measures={"accuracy": asked.append},
            costs={"macs": lambda config: sum(config.values())},
        )
    assert asked == []
