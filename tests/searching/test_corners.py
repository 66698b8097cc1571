"""What every search looks at first."""

from supple.searching.corners import corners_of
from supple.space import Dimension, Kind, Space

WIDTH = Dimension("width", Kind.WIDTH, (4, 8))
BITS = Dimension("conv.bits", Kind.BITS, (8, 32))


def test_the_largest_member_in_the_fewest_bits_is_one_of_them():
    space = Space([WIDTH, BITS])
    assert [dict(config) for config in corners_of(space)] == [
        {"width": 8, "conv.bits": 32},
        {"width": 4, "conv.bits": 8},
        {"width": 8, "conv.bits": 8},
    ]


def test_each_member_is_there_once():
    assert len(corners_of(Space([WIDTH]))) == 2
    assert len(corners_of(Space([BITS]))) == 2
