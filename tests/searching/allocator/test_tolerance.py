"""The allocator alone: the cheapest config whose measured loss stays within a tolerance, and how many it measures."""

import math

import pytest
from allocation_problems import problems, small
from hypothesis import given, settings
from hypothesis import strategies as st

from supple.errors import SuppleError
from supple.searching.allocator import CostTable, cheapest, measure_sensitivity, within_tolerance
from supple.space import Dimension, Kind, Space

SPACE = Space(Dimension(f"layer{number}", Kind.BITS, tuple(range(2, 9))) for number in range(20))
COST = CostTable(SPACE, {entry.name: {bits: float(bits) for bits in range(2, 9)} for entry in SPACE.dimensions})


def loss(config, power):
    noise = sum(4.0**-bits * (number + 1) for number, bits in enumerate(config.values()))
    return 0.5 + noise**power


@settings(max_examples=30)
@given(problems(), st.integers(0, 12), st.integers(1, 6), st.floats(0.5, 2))
def test_what_is_returned_was_measured_within_the_tolerance(problem, tolerance, evaluations, scale):
    sensitivity, cost = problem
    full = sensitivity.of(sensitivity.space.max())
    table = type(sensitivity)(
        sensitivity.space,
        {
            name: {value: figure - row[sensitivity.space[name].largest] for value, figure in row.items()}
            for name, row in sensitivity.entries.items()
        },
        full,
    )

    def evaluate(config):
        return full + scale * (table.of(config) - full)

    found = within_tolerance(table, cost, tolerance, evaluate, evaluations)
    assert found.loss <= full + tolerance
    assert found.loss == (full if found.allocation.config == table.space.max() else evaluate(found.allocation.config))
    assert len(found.evaluations) <= evaluations
    assert cost.of(found.allocation.config) <= cost.of(table.space.max())


def test_where_the_table_is_right_the_cheapest_takes_few_evaluations():
    table = measure_sensitivity(SPACE, lambda config: loss(config, 1))
    found = within_tolerance(table, COST, 0.2, lambda config: loss(config, 1))
    assert len(found.evaluations) <= 3
    assert found.allocation.costs == cheapest(table, COST, table.base + 0.2).costs
    assert found.loss <= table.base + 0.2


@pytest.mark.parametrize("power", [0.7, 1.5])
def test_where_the_table_is_wrong_the_measured_loss_comes_close_all_the_same(power):
    table = measure_sensitivity(SPACE, lambda config: loss(config, power))
    found = within_tolerance(table, COST, 0.2, lambda config: loss(config, power))
    assert 0.17 < found.loss - loss(SPACE.max(), power) <= 0.2
    assert len(found.evaluations) <= 10


def test_where_nothing_smaller_is_good_enough_it_is_the_full_network():
    sensitivity, cost = small()
    found = within_tolerance(sensitivity, cost, 0.5, lambda config: math.nan)
    assert found.allocation.config == sensitivity.space.max()
    assert found.loss == sensitivity.base


def test_where_everything_is_good_enough_it_is_the_cheapest_after_one_evaluation():
    sensitivity, cost = small()
    found = within_tolerance(sensitivity, cost, 100.0, sensitivity.of)
    assert found.allocation.costs == {"latency_ms": 2.5}
    assert len(found.evaluations) == 1


@pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    sensitivity, cost = small()
    with pytest.raises(SuppleError, match=f"an increase of the loss of 0 or more, not {tolerance}"):
        within_tolerance(sensitivity, cost, tolerance, sensitivity.of)


def test_no_evaluation_is_refused():
    sensitivity, cost = small()
    with pytest.raises(SuppleError, match="by 1 evaluation or more, not 0"):
        within_tolerance(sensitivity, cost, 0.1, sensitivity.of, evaluations=0)
