"""The operator table: sums of what was measured, and what is said of the rest."""

import numpy as np
import pytest
from profile_cases import template

from supple.cost.elastic_units import find_elastic_units
from supple.cost.operator_table import OperatorTable, in_order_of_use
from supple.cost.scaling import predicted_ms
from supple.errors import SuppleError


@pytest.fixture(scope="module")
def units():
    return find_elastic_units(template(), 1)


def test_a_member_is_the_sum_of_its_units_and_a_call(units):
    space = template().family.space
    times = {entry: 0.5 + entry.form for entry in in_order_of_use(units, space)}
    table = OperatorTable(units, times, idle_ms=0.25)
    expected = sum(times[entry] for entry in units.signatures(space.min())) + 0.25
    assert table.latency_ms([space.max(), space.min()])[1] == pytest.approx(expected)


def test_the_ends_of_the_space_are_measured_first_and_then_a_share_of_each_form(units):
    space = template().family.space
    ordered = in_order_of_use(units, space)
    ends = set(units.signatures(space.max()) + units.signatures(space.min()))
    assert set(ordered[: len(ends)]) == ends
    assert len(set(ordered)) == len(ordered)
    rest = [entry.form for entry in ordered[len(ends) :]]
    for form in set(rest):
        half = rest[: len(rest) // 2].count(form)
        assert abs(half - rest.count(form) / 2) <= 2


def test_a_form_without_a_measurement_is_told(units):
    times = {entry: 1.0 for entry in in_order_of_use(units, template().family.space) if entry.form != 0}
    with pytest.raises(SuppleError, match=r'Of 1 forms of operators, ".*" among them, none was measured'):
        OperatorTable(units, times, idle_ms=0.0)


def test_units_that_were_not_measured_are_predicted_from_their_form(units):
    space = template().family.space
    # The weight of a unit is what its time is proportional to here.
    every = {entry: 0.01 + 1e-6 * float(np.prod(entry.numbers[4:8])) for entry in in_order_of_use(units, space)}
    some = dict(list(every.items())[: len(every) // 2])
    configs = [space.config({entry.name: entry.values[len(entry.values) // 2] for entry in space.dimensions})]
    complete, partial = OperatorTable(units, every, 0.0), OperatorTable(units, some, 0.0)
    assert partial.latency_ms(configs) == pytest.approx(complete.latency_ms(configs), rel=0.05)


def test_a_law_of_sizes_is_found():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 40, (60, 2)) * 8
    ms = 1e-4 * sizes[:, 0] * sizes[:, 1]
    found = predicted_ms(sizes[:40], ms[:40], sizes[40:])
    assert np.abs(found / ms[40:] - 1).max() < 0.05


def test_one_measurement_stands_for_all():
    assert predicted_ms(np.array([[8, 3]]), np.array([0.5]), np.array([[8, 3], [16, 3]])) == pytest.approx([0.5, 0.5])
