"""Aging evolution: who wins a tournament, who lives, and what a child is."""

import numpy as np
import pytest
from pydantic import ValidationError
from searcher_cases import CASES, MANY_WIDTHS, case, search

from supple.searching.history import History
from supple.searching.searchers.aging import Aging, AgingConfig, places_of
from supple.searching.wishes import Constraint, Sense


def test_those_that_keep_the_constraints_come_first_then_the_rank_then_the_room():
    losses = np.array([[0.0, 0.0], [1.0, 4.0], [1.9, 2.1], [2.0, 2.0], [4.0, 1.0], [5.0, 5.0], [0.0, 0.0]])
    excess = np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2])
    places = places_of(losses, excess)
    # The ends of the front, what has room on it, what does not, a dominated member; then the least excess.
    assert places.tolist() == [6, 0, 3, 2, 1, 4, 5]


def test_places_are_found_where_none_keeps_the_constraints():
    assert places_of(np.array([[1.0], [0.0]]), np.array([0.1, 0.2])).tolist() == [0, 1]


def test_a_child_differs_from_a_living_member_in_one_choice_and_the_old_have_none():
    operators = CASES["operators"]
    told = search(operators, AgingConfig(population=4, tournament=2), 40)
    searcher = Aging(operators.problem, 0, AgingConfig(population=4, tournament=2))
    for count in range(4, len(told), 3):
        child = searcher.propose(History(operators.problem, told[:count]))
        living = [entry.config for entry in told[count - 4 : count]]
        assert min(_differences(child, config) for config in living) == 1


def _differences(one, other):
    return sum(one[name] != other[name] for name in one)


def test_children_break_no_constraint_that_formulas_can_tell():
    constrained = case(MANY_WIDTHS, constraints=[Constraint("macs", Sense.AT_MOST, 250)])
    outcomes = search(constrained, AgingConfig(population=6, tournament=3), 30)
    assert all(found.figures["macs"] <= 250 for found in outcomes[2:])


def test_a_tournament_larger_than_the_population_is_refused():
    with pytest.raises(
        ValidationError, match="tournament of 9 cannot be drawn from a population of 6: make it 6 or less"
    ):
        AgingConfig(population=6, tournament=9)
