"""Tests of configs as arrays."""

import random

import numpy as np
import pytest

from supple.cost.config_arrays import configs_of, positions_of, random_values, values_of
from supple.errors import SuppleError
from supple.space import Condition, Dimension, Kind, Space

SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2)),
        Dimension("width", Kind.WIDTH, (8, 24, 64), (Condition("depth", 2),)),
        Dimension("choice", Kind.OPERATOR, (2, 1, 0)),
        Dimension("huge", Kind.WIDTH, (3, 10**9)),
    ]
)


def test_there_and_back():
    configs = [SPACE.sample(random.Random(seed)) for seed in range(20)]
    values = values_of(SPACE, configs)
    assert values.shape == (20, 4)
    assert configs_of(SPACE, values) == configs
    assert configs_of(SPACE, values_of(SPACE, [])) == []


def test_what_does_not_reach_a_member_becomes_its_largest():
    assert configs_of(SPACE, np.array([[1, 8, 0, 3]])) == [SPACE.config({"depth": 1, "huge": 3})]


def test_positions_are_those_among_the_values_of_a_dimension():
    values = random_values(SPACE, 50, np.random.default_rng(0))
    for entry, column, positions in zip(SPACE.dimensions, values.T, positions_of(SPACE, values), strict=True):
        assert [entry.values[position] for position in positions] == column.tolist()
        assert set(positions) == set(range(len(entry.values)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 9, 0, 3]], 'Dimension "width" has no value 9: it can be 8, 24, 64'),
        ([[1, 8, 0, 3], [3, 8, 0, 3]], 'Dimension "depth" has no value 3'),
        ([[1, 8, -1, 3]], 'Dimension "choice" has no value -1'),
        ([[1, 8, 0, 4]], 'Dimension "huge" has no value 4'),
        ([[1, 8, 0]], r"shape \(configs, 4\), a column per dimension, not int64 of shape \(1, 3\)"),
        ([[1.0, 8, 0, 3]], "whole numbers .* not float64"),
    ],
)
def test_what_is_no_config_is_named(values, message):
    with pytest.raises(SuppleError, match=message):
        positions_of(SPACE, np.array(values))


def test_a_config_of_another_space_is_refused():
    with pytest.raises(SuppleError, match="belongs to space"):
        values_of(SPACE, [Space(SPACE.dimensions[:1]).max()])
