"""Local search: whose neighbours come next, and what happens where none is left."""

from searcher_cases import ACCURACY, CASES, MANY_WIDTHS, case, search

from supple.searching.history import History
from supple.searching.searchers.local import LocalConfig, LocalSearch
from supple.searching.wishes import Constraint, Sense
from supple.space import Dimension, Kind


def test_proposals_are_neighbours_of_members_of_the_front():
    entry = CASES["depths"]
    told = search(entry, LocalConfig(starts=4), 18)
    searcher = LocalSearch(entry.problem, 0, LocalConfig(starts=4))
    for count in range(4, len(told)):
        history = History(entry.problem, told[:count])
        proposed = searcher.propose(history)
        assert any(proposed in entry.problem.space.neighbours(member.config) for member in history.front)


def test_a_walk_ends_where_all_neighbours_are_known_and_the_next_has_a_front_of_its_own():
    # More is always better: the largest member is the best, and its neighbours are soon known.
    entry = case([Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 168, 8))) for number in range(2)], [ACCURACY])
    space = entry.problem.space
    searcher = LocalSearch(entry.problem, 0, LocalConfig(starts=2))
    told = [entry.evaluate(config) for config in (space.min(), space.max(), *space.neighbours(space.max()))]
    start = searcher.propose(History(entry.problem, told))
    told.append(entry.evaluate(start))
    following = searcher.propose(History(entry.problem, told))
    assert following in space.neighbours(start)


def test_neighbours_that_break_a_known_constraint_are_passed_over():
    entry = case(MANY_WIDTHS, constraints=[Constraint("macs", Sense.AT_MOST, 250)])
    outcomes = search(entry, LocalConfig(starts=4), 30)
    assert all(found.figures["macs"] <= 250 for found in outcomes[2:])


def test_where_none_keeps_the_constraints_the_walk_goes_to_those_that_break_them_less():
    entry = case(MANY_WIDTHS, constraints=[Constraint("accuracy", Sense.AT_LEAST, 99)])
    told = [entry.evaluate(config) for config in (entry.problem.space.max(), entry.problem.space.min())]
    least = min(told, key=entry.problem.excess)
    searcher = LocalSearch(entry.problem, 0, LocalConfig(starts=1))
    searcher._follow(History(entry.problem, told))
    assert searcher._front == [least.config]
