"""Tables of figures by dimension and value: what they say of a config, and their JSON."""

import json
import math

import pytest
from allocation_problems import problems, small
from hypothesis import given

from supple.errors import SuppleError
from supple.searching.allocator import CostTable, SensitivityTable
from supple.space import Dimension, Kind, Space


def test_a_figure_is_the_sum_over_the_dimensions_that_reach_the_member():
    sensitivity, cost = small()
    space = sensitivity.space
    assert cost.of(space.config({"inner": 8, "width": 4})) == 0.5 + 2.0 + 2.0 + 1.0
    assert cost.of(space.config({"depth": 1, "width": 4})) == 0.5 + 1.0 + 1.0


def test_a_pair_adds_its_term_where_both_reach_the_member():
    sensitivity, _ = small()
    space = sensitivity.space
    table = SensitivityTable(space, {}, 1.0, {("inner", "width"): {(16, 4): 0.25}, ("width", "depth"): {(4, 1): 0.5}})
    assert table.of(space.config({"width": 4})) == 1.25
    assert table.of(space.config({"width": 4, "depth": 1})) == 1.5


@given(problems(with_pairs=True))
def test_a_table_survives_json(problem):
    for table in problem:
        assert type(table).from_json(table.to_json(), table.space) == table


def test_a_table_survives_a_file(tmp_path):
    _, cost = small()
    cost.save(tmp_path / "cost.json")
    assert CostTable.load(tmp_path / "cost.json", cost.space) == cost


@pytest.mark.parametrize(
    "text", ["[]", "{}", '"x"', '{"space": 1, "name": "n", "entries": [], "pairs": [], "base": 0}']
)
def test_other_json_is_refused(text):
    sensitivity, _ = small()
    with pytest.raises(SuppleError, match="This is no table of figures by dimension and value"):
        SensitivityTable.from_json(text, sensitivity.space)


def test_values_that_are_no_integers_are_refused():
    sensitivity, _ = small()
    content = json.loads(sensitivity.to_json())
    content["entries"]["depth"][0][0] = 1.0
    with pytest.raises(SuppleError, match=r"1\.0 is no value of a dimension"):
        SensitivityTable.from_json(json.dumps(content), sensitivity.space)


def test_the_table_of_another_space_is_refused():
    sensitivity, _ = small()
    other = Space([Dimension("width", Kind.WIDTH, (4,))])
    with pytest.raises(SuppleError, match=f"belongs to space {sensitivity.space.digest}, not to this one"):
        SensitivityTable.from_json(sensitivity.to_json(), other)


@pytest.mark.parametrize(
    ("entries", "pairs", "message"),
    [
        ({"widht": {4: 1.0}}, {}, 'a dimension "widht" that the space lacks; did you mean "width"'),
        ({"width": {4: 1.0, 8: 1.0}}, {}, 'lacks the value 12 of dimension "width"'),
        ({"width": {4: 1.0, 8: 1.0, 12: 1.0, 13: 1.0}}, {}, 'a value 13 of dimension "width", which can be 4, 8, 12'),
        ({"depth": {1: math.nan, 2: 0.0}}, {}, "holds nan: every entry must be a finite number"),
        ({}, {("depth", "depth"): {(1, 1): 1.0}}, 'pairs dimension "depth" with itself'),
        ({}, {("depth", "width"): {(1, 5): 1.0}}, 'a value 5 of dimension "width"'),
        ({}, {("depth", "width"): {(1, 4): math.inf}}, "holds inf"),
    ],
)
def test_a_table_that_does_not_fit_its_space_is_refused(entries, pairs, message):
    sensitivity, _ = small()
    with pytest.raises(SuppleError, match=message):
        CostTable(sensitivity.space, entries, pairs=pairs)
