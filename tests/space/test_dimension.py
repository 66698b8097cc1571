"""A dimension and its values."""

import pytest

from supple.errors import SuppleError
from supple.space import Condition, Dimension, Kind


def test_a_dimension_knows_its_smallest_and_largest_value() -> None:
    dimension = Dimension("width", Kind.WIDTH, (8, 16, 20))
    assert (dimension.smallest, dimension.largest) == (8, 20)


@pytest.mark.parametrize("values", [(), (16, 8), (8, 8)])
def test_values_must_be_ascending_and_distinct(values: tuple[int, ...]) -> None:
    with pytest.raises(SuppleError, match=r'values of dimension "width" must be ascending and distinct, not \['):
        Dimension("width", Kind.WIDTH, values)


def test_the_options_of_a_choice_end_at_the_first() -> None:
    assert Dimension("operator", Kind.OPERATOR, (2, 1, 0)).largest == 0
    with pytest.raises(SuppleError, match=r'values of dimension "operator" must be descending and distinct, not \['):
        Dimension("operator", Kind.OPERATOR, (0, 1, 2))


def test_a_condition_allows_a_range_of_values() -> None:
    assert [value for value in range(5) if Condition("depth", 2).allows(value)] == [2, 3, 4]
    assert [value for value in range(5) if Condition("operator", 1, 2).allows(value)] == [1, 2]
