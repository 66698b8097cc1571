"""Descriptions of configs, and the tables that are none."""

import numpy as np
import pytest

from supple.cost.predictors import Descriptions
from supple.errors import SuppleError


def test_parts_that_are_not_given_have_no_columns():
    described = Descriptions.of([[1, 2], [3, 4]], costs=[[5], [6]])
    assert len(described) == 2
    assert described.widths == (2, 1, 0)


def test_rows_are_taken_of_all_parts():
    described = Descriptions.of([[1], [2], [3]], [[4], [5], [6]], [[7], [8], [9]]).take([2, 0])
    assert (described.features.tolist(), described.costs.tolist(), described.sources.tolist()) == (
        [[3], [1]],
        [[6], [4]],
        [[9], [7]],
    )


@pytest.mark.parametrize(
    ("features", "costs", "message"),
    [
        ([1, 2], None, r"^The features must be a table of configs and columns, not of shape \[2\]\.$"),
        ([[np.nan]], None, r"^The features hold a value that is not a finite number\.$"),
        ([[1], [2]], [[1]], r"^The costs have 1 rows, but the features have 2: one per config\.$"),
        ([[1]], [[0]], r"^The costs must be positive numbers; the smallest is 0\.$"),
    ],
)
def test_tables_that_describe_nothing_are_refused(features, costs, message):
    with pytest.raises(SuppleError, match=message):
        Descriptions.of(features, costs)
