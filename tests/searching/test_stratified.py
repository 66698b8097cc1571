"""Stratified random search: every part of the cost gets its members."""

from collections import Counter

from searcher_cases import ACCURACY, MACS, case, search

from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searchers.stratified import StratifiedConfig, StratifiedMembers
from supple.searching.wishes import Constraint, Direction, Objective, Sense
from supple.space import Dimension, Kind, Space

WIDE = [Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 264, 8))) for number in range(6)]


def _strata(entry, outcomes, strata):
    space = entry.problem.space
    low, high = (entry.evaluate(config).figures["macs"] for config in (space.min(), space.max()))
    return [min(int((found.figures["macs"] - low) / (high - low) * strata), strata - 1) for found in outcomes]


def test_every_stratum_gets_as_many_members_in_an_order_that_changes():
    entry = case(WIDE)
    # The largest and the smallest member are numbers 0 and 1: the searcher begins with the third turn of a pass.
    found = _strata(entry, search(entry, StratifiedConfig(strata=5), 3 + 20)[5:], 5)
    counts = Counter(found)
    # Costs come close to what was drawn: at a border one may fall on the other side.
    assert all(3 <= counts[stratum] <= 5 for stratum in range(5))
    assert found[:5] != found[5:10]


def test_strata_that_a_known_constraint_excludes_give_their_turn_away():
    constraint = Constraint("macs", Sense.AT_MOST, 600)
    entry = case(WIDE, constraints=[constraint])
    outcomes = search(entry, StratifiedConfig(strata=5), 20)
    assert all(found.figures["macs"] <= 600 for found in outcomes[2:])


def test_without_a_known_cost_draws_are_uniform():
    entry = case(WIDE, [ACCURACY, MACS], is_known=False)
    found = Counter(_strata(entry, search(entry, StratifiedConfig(strata=5), 40)[2:], 5))
    assert found[2] > found[0] + found[4]


def test_every_second_member_has_the_fewest_bits_where_precision_is_searched():
    space = Space(
        [
            Dimension("width", Kind.WIDTH, tuple(range(8, 72, 8))),
            *(Dimension(f"layer_{number}.bits", Kind.BITS, (8, 32)) for number in range(12)),
        ]
    )
    known = {"macs": lambda values: values[:, 0].astype(float)}
    problem = Problem(space, (Objective("accuracy", Direction.MAXIMIZE),), known=known)
    searcher = StratifiedMembers(problem, 0)
    history = History(problem, [], [])
    for _ in range(8):
        history = History(problem, [], [*history.pending, searcher.propose(history)])
    in_int8 = [all(config[f"layer_{number}.bits"] == 8 for number in range(12)) for config in history.pending]
    assert in_int8 == [False, True] * 4
