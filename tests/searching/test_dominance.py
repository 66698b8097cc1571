"""Fronts, ranks and hypervolumes of any number of objectives, against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from supple.searching.dominance import crowding, front_ranks, hypervolume, hypervolume_curve, nondominated

SIDE = 4


@st.composite
def grids(draw, most=12):
    """Points on a small grid: ties and equal points are common."""
    shape = draw(st.integers(1, most)), draw(st.integers(1, 4))
    return draw(arrays.arrays(np.float64, shape, elements=st.integers(0, SIDE).map(float)))


def dominates(one, other):
    return bool(np.all(one <= other) and np.any(one < other))


def cells(points, reference):
    """Count the unit cells of the grid that the points dominate below the reference."""
    objectives = points.shape[1]
    corners = np.stack(np.meshgrid(*[np.arange(SIDE + 1)] * objectives), -1).reshape(-1, objectives)
    inside = corners[np.all(corners + 1 <= reference, axis=1)]
    return sum(any(np.all(point <= corner) for point in points) for corner in inside)


@given(grids())
def test_the_front_is_what_none_dominates(points):
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert nondominated(points).tolist() == expected


@given(grids())
def test_every_rank_is_the_front_of_what_is_left(points):
    ranks = front_ranks(points)
    for rank in range(int(ranks.max()) + 1):
        left = points[ranks >= rank]
        assert np.array_equal(nondominated(left), ranks[ranks >= rank] == rank)


@given(grids(), st.integers(1, SIDE))
def test_the_hypervolume_counts_dominated_cells(points, side):
    reference = np.full(points.shape[1], float(side))
    assert hypervolume(points, reference) == pytest.approx(cells(points, reference))


@given(grids())
def test_the_curve_is_the_hypervolume_of_every_beginning(points):
    reference = np.full(points.shape[1], float(SIDE))
    expected = [hypervolume(points[: end + 1], reference) for end in range(len(points))]
    assert hypervolume_curve(points, reference) == pytest.approx(expected)


def test_the_ends_of_a_front_are_the_loneliest():
    losses = np.array([[0.0, 9.0], [1.0, 4.0], [1.5, 3.9], [9.0, 0.0]])
    alone = crowding(losses)
    assert np.isinf(alone[[0, 3]]).all()
    assert alone[1] < np.inf
    assert alone[2] == pytest.approx((9 - 1) / 9 + (4 - 0) / 9)


def test_no_points_have_no_front():
    nothing = np.zeros((0, 2))
    assert nondominated(nothing).tolist() == []
    assert crowding(nothing).tolist() == []
    assert hypervolume(nothing, np.ones(2)) == 0.0
