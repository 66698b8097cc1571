"""Constraints on what must be measured: a search that can keep none of them ends early, with the nearest."""

import pytest
from search_cases import accuracy_of, macs_of, time_ms_of

from supple import search
from supple.errors import SuppleError
from supple.searching import SearchConfig


def _search(space, constraints, budget=64, **measures):
    calls = []
    found = {"accuracy": lambda config: calls.append(config) or accuracy_of(config), "latency": time_ms_of, **measures}
    config = SearchConfig(
        budget=budget, constraints=constraints, objectives=["accuracy", "minimize latency"], searcher="random"
    )
    return calls, lambda: search(space, config=config, measures=found, costs={"macs": macs_of})


def test_a_limit_that_the_cheapest_members_break_ends_the_search(space):
    calls, go = _search(space, ["latency <= 2.5"])
    with pytest.raises(
        SuppleError, match=r'No member keeps "latency <= 2.5", the 5 cheapest included: the least .* 2.6'
    ):
        go()
    assert len(calls) == 6


def test_a_smallest_member_that_is_not_the_fastest_ends_nothing(space):
    # As on devices that are slow at odd sizes.
    slow = space.min()
    _, go = _search(
        space, ["latency <= 5"], budget=16, latency=lambda config: 9.0 if config == slow else time_ms_of(config)
    )
    result = go()
    assert all(entry["latency"] <= 5 for entry in result.front)
    cheap = [entry["macs"] for entry in result.searched[2:6]]
    assert cheap == sorted(cheap)
    assert max(cheap) < 1000


def test_a_limit_that_the_smallest_member_keeps_costs_nothing(space):
    _, go = _search(space, ["latency <= 5"], budget=16)
    assert [entry["macs"] for entry in go().searched[2:6]] != sorted(entry["macs"] for entry in go().searched[2:6])


def test_a_search_that_finds_no_member_within_its_constraints_says_the_nearest(space):
    calls, go = _search(space, ["accuracy >= 0.95"], budget=8)
    with pytest.raises(
        SuppleError, match=r'None of 6 members keeps "accuracy >= 0.95": the nearest has accuracy 0.9, '
    ):
        go()
    assert len(calls) <= 8
