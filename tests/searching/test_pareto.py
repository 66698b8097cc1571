"""The front and the hypervolume of two objectives, against brute force."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple.searching.pareto import Point, best_within, hypervolume, hypervolume_curve, pareto_front, reference_point

# A small grid makes ties in one objective and equal points common.
grid_points = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25)
real_points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), max_size=40)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] <= other[1] and tuple(one) != tuple(other)


@given(grid_points)
def test_the_front_holds_exactly_the_points_that_none_dominates(points):
    expected = {index for index, point in enumerate(points) if not any(dominates(another, point) for another in points)}
    assert set(pareto_front(points)) == expected


@given(real_points)
def test_along_the_front_cost_and_accuracy_rise_together(points):
    front = [points[index] for index in pareto_front(points)]
    for cheaper, dearer in itertools.pairwise(front):
        assert cheaper == dearer or (cheaper[1] < dearer[1] and cheaper[0] < dearer[0])


@given(grid_points, st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_the_hypervolume_is_the_number_of_dominated_unit_cells(points, reference):
    # The cell of the grid with the corners (a, c) and (a + 1, c + 1) is dominated by a point at least at a + 1
    # accuracy and at most at c cost.
    cells = sum(
        any(accuracy >= a + 1 and cost <= c for accuracy, cost in points)
        for a in range(reference[0], 8)
        for c in range(reference[1])
    )
    assert hypervolume(points, reference) == cells


@given(real_points, st.randoms(use_true_random=False))
def test_the_hypervolume_does_not_depend_on_the_order_of_the_points(points, rng):
    shuffled = list(points)
    rng.shuffle(shuffled)
    assert hypervolume(shuffled, (0.0, 100.0)) == hypervolume(points, (0.0, 100.0))


@given(grid_points)
def test_the_curve_is_the_hypervolume_of_every_beginning(points):
    reference = (1, 7)
    expected = [hypervolume(points[: end + 1], reference) for end in range(len(points))]
    assert hypervolume_curve(points, reference) == expected


@given(real_points)
def test_the_curve_never_falls_and_ends_at_the_hypervolume(points):
    curve = hypervolume_curve(points, (0.0, 100.0))
    assert all(before <= after for before, after in itertools.pairwise(curve))
    if points:
        assert math.isclose(curve[-1], hypervolume(points, (0.0, 100.0)), rel_tol=1e-12)


def test_a_known_front_has_its_known_hypervolume():
    assert hypervolume([(0.5, 1.0), (0.9, 2.0)], (0.0, 4.0)) == pytest.approx(0.5 * 3 + 0.4 * 2)


def test_no_points_dominate_nothing():
    assert pareto_front([]) == []
    assert hypervolume([], (0.0, 1.0)) == 0
    assert hypervolume_curve([], (0.0, 1.0)) == []


def test_the_reference_point_is_the_worst_corner():
    assert reference_point([(0.5, 3.0), (0.8, 1.0)]) == Point(accuracy=0.5, cost=3.0)


def test_a_reference_point_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one point"):
        reference_point([])


@given(grid_points, st.integers(0, 8))
def test_best_within_is_the_most_accurate_affordable_point(points, cost):
    affordable = [point for point in points if point[1] <= cost]
    index = best_within(points, cost)
    if index is None:
        assert not affordable
    else:
        assert points[index] in affordable
        assert points[index][0] == max(accuracy for accuracy, _ in affordable)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_point_that_is_not_finite_is_never_ranked(bad):
    for function in (pareto_front, lambda points: hypervolume(points, (0, 9)), lambda points: best_within(points, 1)):
        with pytest.raises(ValueError, match="must be finite"):
            function([(0.5, 1.0), (bad, 1.0)])
    with pytest.raises(ValueError, match="must be finite"):
        hypervolume_curve([(0.5, bad)], (0, 9))


def test_a_thousand_random_points_agree_with_sampling_the_area():
    rng = random.Random(3)
    points = [(rng.random() * 0.7, 0.3 + rng.random()) for _ in range(1000)]
    hits = 0
    for _ in range(20_000):
        accuracy, cost = rng.random(), rng.random()
        hits += any(a >= accuracy and c <= cost for a, c in points)
    assert hypervolume(points, (0.0, 1.0)) == pytest.approx(hits / 20_000, abs=0.01)
