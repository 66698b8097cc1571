"""Tables by measuring: which configs are measured, and what comes out."""

import itertools
import math

import pytest
from allocation_problems import problems, small
from hypothesis import given

from supple.errors import SuppleError
from supple.searching.allocator import measure_costs, measure_jointly, measure_pairs, measure_sensitivity
from supple.space import Condition, Dimension, Kind, Space


class Counting:
    """A table as something to measure, with the configs that were asked for."""

    def __init__(self, figure):
        self._figure = figure
        self.calls = []

    def __call__(self, config):
        self.calls.append(config)
        return self._figure(config)


def test_one_dimension_is_changed_at_a_time_and_each_config_measured_once():
    sensitivity, _ = small()
    space = sensitivity.space
    evaluate = Counting(sensitivity.of)
    assert measure_sensitivity(space, evaluate) == sensitivity
    changed = [{"depth": 1}, {"inner": 8}, {"width": 4}, {"width": 8}]
    assert evaluate.calls == [space.max(), *(space.config(values) for values in changed)]


@given(problems())
def test_a_cost_that_is_a_sum_is_measured_exactly(problem):
    _, cost = problem
    measured = measure_costs(cost.space, cost.name, cost.of)
    assert measured.name == cost.name
    full = cost.space.max()
    # Where all dimensions reach the full network, one at a time says it all.
    if all(cost.space.is_active(dimension.name, full) for dimension in cost.space.dimensions):
        single = [dimension for dimension in cost.space.dimensions if len(dimension.values) > 1]
        for dimension, value in ((d, v) for d in single for v in d.values):
            config = cost.space.config({dimension.name: value})
            assert measured.of(config) == cost.of(config)


def test_what_lies_in_another_option_is_compared_there():
    space = Space(
        [Dimension("choice", Kind.OPERATOR, (1, 0)), Dimension("rank", Kind.RANK, (2, 4), (Condition("choice", 1),))]
    )
    losses = {(0, 4): 1.0, (1, 4): 1.5, (1, 2): 1.75}
    table = measure_sensitivity(space, lambda config: losses[config["choice"], config["rank"]])
    assert table.entries == {"choice": {0: 0.0, 1: 0.5}, "rank": {4: 0.0, 2: 0.25}}
    assert {(c["choice"], c["rank"]): table.of(c) for c in space} == losses


def test_pairs_make_a_cost_that_multiplies_dimensions_exact():
    space = Space([Dimension("ins", Kind.WIDTH, (2, 4, 8)), Dimension("outs", Kind.WIDTH, (3, 6))])

    def macs(config):
        return config["ins"] * config["outs"]

    measure = Counting(macs)
    sums = measure_costs(space, "macs", macs)
    table = measure_pairs(sums, measure, [("ins", "outs")])
    assert len(measure.calls) == 2
    assert [table.of(config) for config in space] == [macs(config) for config in space]
    assert any(sums.of(config) != macs(config) for config in space)


def test_a_pair_of_which_one_drops_the_other_is_not_measured():
    sensitivity, _ = small()
    measure = Counting(sensitivity.of)
    assert measure_pairs(sensitivity, measure, [("depth", "inner")]).pairs == {("depth", "inner"): {}}
    assert measure.calls == []


def test_pairs_that_do_not_reach_the_full_network_are_refused():
    space = Space(
        [Dimension("choice", Kind.OPERATOR, (1, 0)), Dimension("rank", Kind.RANK, (2, 4), (Condition("choice", 1),))]
    )
    table = measure_sensitivity(space, lambda config: 0.0)
    with pytest.raises(SuppleError, match='Dimension "rank" does not reach the full network'):
        measure_pairs(table, lambda config: 0.0, [("choice", "rank")])


def test_joint_changes_are_distinct_and_of_every_extent():
    space = Space(Dimension(f"d{number}", Kind.WIDTH, (1, 2, 3)) for number in range(20))
    measured = measure_jointly(space, lambda config: float(sum(config.values())), 60, seed=1)
    assert len({entry.config for entry in measured}) == 60
    changed = [sum(value != 3 for value in entry.config.values()) for entry in measured]
    assert min(changed) < 4
    assert max(changed) > 9
    assert measured == measure_jointly(space, lambda config: float(sum(config.values())), 60, seed=1)


def test_a_small_space_is_measured_whole():
    sensitivity, _ = small()
    assert {entry.config for entry in measure_jointly(sensitivity.space, sensitivity.of, 99)} == set(sensitivity.space)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_figure_that_is_not_finite_is_refused_with_its_config(bad):
    sensitivity, _ = small()
    broken = itertools.chain([1.0, bad])
    with pytest.raises(SuppleError, match=rf"The measured figure of Config\(depth=1, .*\) is {bad}"):
        measure_sensitivity(sensitivity.space, lambda config: next(broken))
