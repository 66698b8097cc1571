"""Allocations against brute force: one budget, several, pairs, conditions, the front; and budgets that none meets."""

import itertools
import math
from dataclasses import replace

import pytest
from allocation_problems import entries_of, figures, problems, small
from hypothesis import given, settings
from hypothesis import strategies as st

from supple.errors import SuppleError
from supple.searching.allocator import (
    Budget,
    CostTable,
    SensitivityTable,
    allocate,
    allocation_front,
    cheapest,
    sweep_budgets,
)
from supple.space import Dimension, Kind, Space

budgets = st.integers(-15, 40).map(float)


def least_loss(sensitivity, limits):
    """Return the least loss of all members within the budgets, by looking at each; None where there is no member."""
    losses = [
        sensitivity.of(config)
        for config in sensitivity.space
        if all(budget.table.of(config) <= budget.limit for budget in limits)
    ]
    return min(losses, default=None)


def assert_exact(sensitivity, limits):
    expected = least_loss(sensitivity, limits)
    if expected is None:
        with pytest.raises(SuppleError, match="No member has"):
            allocate(sensitivity, limits)
        return
    found = allocate(sensitivity, limits)
    assert found.loss == sensitivity.of(found.config) == expected
    assert found.gap == pytest.approx(0, abs=1e-6)
    assert all(budget.table.of(found.config) <= budget.limit for budget in limits)
    assert found.costs == {budget.table.name: budget.table.of(found.config) for budget in limits}


@given(problems(), budgets)
def test_a_budget_gets_the_config_of_the_least_loss(problem, limit):
    sensitivity, cost = problem
    assert_exact(sensitivity, [cost.at_most(limit)])


@settings(max_examples=40)
@given(problems(with_pairs=True), budgets)
def test_pairs_are_counted_in_the_loss_and_in_the_cost(problem, limit):
    sensitivity, cost = problem
    assert_exact(sensitivity, [cost.at_most(limit)])


@settings(max_examples=40)
@given(st.data())
def test_several_budgets_are_kept_at_once(data):
    sensitivity, latency = data.draw(problems())
    memory = CostTable(latency.space, data.draw(entries_of(latency.space)), data.draw(figures), name="memory_bytes")
    assert_exact(sensitivity, [latency.at_most(data.draw(budgets)), memory.at_most(data.draw(budgets))])


@given(problems())
def test_the_front_holds_every_member_that_none_beats_once(problem):
    sensitivity, cost = problem
    points = {(cost.of(config), sensitivity.of(config)) for config in sensitivity.space}
    expected = sorted(
        point
        for point in points
        if not any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in points)
    )
    front = allocation_front(sensitivity, cost)
    assert [(allocation.costs[cost.name], allocation.loss) for allocation in front] == expected
    assert list(zip(front.costs, front.losses, strict=True)) == expected
    assert front.gap == 0


@given(problems(), budgets)
def test_the_front_answers_every_budget_as_the_allocator_does(problem, limit):
    sensitivity, cost = problem
    front = allocation_front(sensitivity, cost)
    if limit < front.costs[0]:
        with pytest.raises(SuppleError, match="the smallest is"):
            front.within(limit)
    else:
        assert front.within(limit).loss == allocate(sensitivity, [cost.at_most(limit)]).loss


@given(problems(), budgets)
def test_the_cheapest_within_a_loss_is_the_cheapest(problem, loss):
    sensitivity, cost = problem
    affordable = [cost.of(config) for config in sensitivity.space if sensitivity.of(config) <= loss]
    if affordable:
        assert cheapest(sensitivity, cost, loss).costs[cost.name] == min(affordable)
    else:
        with pytest.raises(SuppleError, match="No member has loss <="):
            cheapest(sensitivity, cost, loss)


def test_a_front_too_large_to_hold_says_how_far_off_it_is(monkeypatch):
    monkeypatch.setattr("supple.searching.allocator.front.FRONT_POINTS", 40)
    names = [f"d{number}" for number in range(12)]
    space = Space(Dimension(name, Kind.BITS, (2, 4, 8)) for name in names)
    # What is lost is what is saved: every member is on the front.
    weights = [1 + math.sqrt(number) for number in range(12)]
    cost = CostTable(space, {name: {v: v * w for v in (2, 4, 8)} for name, w in zip(names, weights, strict=True)})
    sensitivity = SensitivityTable(space, {name: {v: -c for v, c in row.items()} for name, row in cost.entries.items()})
    front = allocation_front(sensitivity, cost)
    assert len(front) <= 40
    assert 0 < front.gap < 100
    for budget in (80.0, 120.0, 200.0):
        best = allocate(sensitivity, [cost.at_most(budget)])
        assert best.loss <= front.within(budget).loss <= best.loss + front.gap + best.gap


def test_without_budgets_the_least_loss_is_taken():
    sensitivity, _ = small()
    assert allocate(sensitivity, []).config == sensitivity.space.max()


def test_budgets_count_as_kept_up_to_rounding():
    space = Space([Dimension("a", Kind.BITS, (1,)), Dimension("b", Kind.BITS, (1,))])
    cost = CostTable(space, {"a": {1: 0.1}, "b": {1: 0.2}})
    sensitivity = SensitivityTable(space, {"a": {1: 0.0}, "b": {1: 0.0}})
    assert allocate(sensitivity, [cost.at_most(0.3)]).config == space.max()
    assert len(allocation_front(sensitivity, cost)) == 1


def test_what_passes_a_budget_by_less_than_the_solver_sees_is_left_out():
    space = Space([Dimension("a", Kind.BITS, (1, 2)), Dimension("b", Kind.BITS, (1, 2))])
    sensitivity = SensitivityTable(space, {"a": {1: 1.0, 2: 0.0}, "b": {1: 3.0, 2: 0.0}})
    cost = CostTable(space, {"a": {1: 1.0, 2: 2.0 + 1e-11}, "b": {1: 1.0, 2: 2.0}}, name="energy_mj")
    other = replace(cost, name="latency_ms")
    found = allocate(sensitivity, [cost.at_most(4.0), other.at_most(9.0)])
    assert found.config == space.config({"a": 1})


def test_a_sweep_takes_pairs_and_other_budgets():
    sensitivity, cost = small()
    paired = replace(sensitivity, pairs={("depth", "width"): {(1, 4): -3.0}})
    width = CostTable(sensitivity.space, {"width": {4: 4.0, 8: 8.0, 12: 12.0}}, name="width")
    found = sweep_budgets(paired, cost, 20, [width.at_most(8.0)])
    assert all(allocation.config["width"] <= 8 for allocation in found)
    assert found[0].config == sensitivity.space.config({"depth": 1, "width": 4})
    assert found[0].loss == 2 + 5 + 4 - 3
    assert [entry.loss for entry in found] == sorted((entry.loss for entry in found), reverse=True)
    assert len({allocation.config for allocation in found}) == len(found) > 2


def test_evenly_spaced_budgets_of_a_front():
    front = allocation_front(*small())
    assert [allocation.costs for allocation in front.evenly(1000)] == [allocation.costs for allocation in front]
    assert [allocation.costs["latency_ms"] for allocation in front.evenly(2)] == [front.costs[0], front.costs[-1]]


def test_a_budget_that_none_meets_is_told_the_smallest_and_its_config():
    sensitivity, cost = small()
    with pytest.raises(SuppleError) as error:
        allocate(sensitivity, [cost.at_most(1.0)])
    assert str(error.value) == (
        "No member has latency_ms <= 1: the smallest is 2.5, of Config(depth=1, inner=16, width=4)."
    )


def test_budgets_that_only_conflict_are_told_so():
    sensitivity, cost = small()
    wide = CostTable(sensitivity.space, {"width": {4: 12.0, 8: 8.0, 12: 4.0}}, name="narrowness")
    with pytest.raises(
        SuppleError, match=r"No member has narrowness <= 4 with latency_ms <= 3: the smallest is 12, of"
    ):
        allocate(sensitivity, [cost.at_most(3.0), wide.at_most(4.0)])


def test_a_budget_that_is_no_number_is_refused():
    _, cost = small()
    with pytest.raises(SuppleError, match="A budget of latency_ms must be a number, not nan"):
        Budget(cost, math.nan)


def test_tables_of_different_spaces_are_refused():
    sensitivity, _ = small()
    other = Space([Dimension("width", Kind.WIDTH, (1, 2))])
    with pytest.raises(SuppleError, match=f"different spaces: {sensitivity.space.digest} and {other.digest}"):
        allocate(sensitivity, [CostTable(other, {}).at_most(1.0)])
    with pytest.raises(SuppleError, match="loss and cost belong to different spaces"):
        allocation_front(sensitivity, CostTable(other, {}))


def test_a_front_of_tables_with_pairs_is_refused():
    sensitivity, cost = small()
    with pytest.raises(SuppleError, match=r"that of latency_ms has them: take allocations .* by sweep_budgets"):
        allocation_front(sensitivity, replace(cost, pairs={("depth", "width"): {(1, 4): 1.0}}))


def test_more_pairs_than_can_be_solved_are_refused(monkeypatch):
    monkeypatch.setattr("supple.searching.allocator.programme.MOST_PRODUCTS", 5)
    sensitivity, cost = small()
    with pytest.raises(SuppleError, match="make more than 5 products of values"):
        allocate(replace(sensitivity, pairs={("depth", "width"): {(1, 4): 1.0}}), [cost.at_most(9.0)])


def test_a_solver_without_time_says_so():
    names = [f"d{number}" for number in range(40)]
    space = Space(Dimension(name, Kind.BITS, tuple(range(2, 9))) for name in names)
    entries = {name: {bits: number % 7 + 4.0**-bits for bits in range(2, 9)} for number, name in enumerate(names)}
    pairs = {(one, other): {(2, 2): 1.0} for one, other in itertools.pairwise(names)}
    cost = CostTable(space, {name: {bits: float(bits) for bits in range(2, 9)} for name in names})
    with pytest.raises(SuppleError, match=r"No config within the budgets was found in 1e-09 s \(\d,\d+ variables\)"):
        allocate(SensitivityTable(space, entries, pairs=pairs), [cost.at_most(120.0)], seconds=1e-9)
