"""A dimension and its values."""

import pytest

from supple.errors import SuppleError
from supple.space import Dimension, Kind


def test_a_dimension_knows_its_smallest_and_largest_value() -> None:
    dimension = Dimension("width", Kind.WIDTH, (8, 16, 20))
    assert (dimension.smallest, dimension.largest) == (8, 20)


@pytest.mark.parametrize("values", [(), (16, 8), (8, 8)])
def test_values_must_be_ascending_and_distinct(values: tuple[int, ...]) -> None:
    with pytest.raises(SuppleError, match=r'values of dimension "width" must be ascending and distinct, not \['):
        Dimension("width", Kind.WIDTH, values)
