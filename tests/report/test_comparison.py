"""Search against random members: hypervolumes over evaluations, and quality at equal cost."""

import pytest
from report_cases import ACCURACY, LATENCY, OBJECTIVES, evaluated, make_search

from supple.report.comparison import gain_of, gains, hypervolume_curves, rivals, seed_gains
from supple.report.planes import Plane
from supple.searching.wishes import Constraint, Direction, Objective, Sense

PLANE = Plane(*OBJECTIVES)
LARGEST, SMALLEST = evaluated(0.9, 4.0), evaluated(0.7, 1.0)
CORNERS = (LARGEST.config, SMALLEST.config)


def test_hypervolumes_are_shares_of_the_box_between_the_worst_and_the_best_values():
    search = make_search(([evaluated(0.9, 4.0), evaluated(0.8, 2.0)], [evaluated(0.7, 1.0), evaluated(0.7, 3.0)]))
    (curves,) = hypervolume_curves(search)
    assert curves.search == pytest.approx((0.0, 1 / 3))
    assert curves.random == pytest.approx((0.0, 0.0))


def test_random_members_begin_with_the_two_corners_that_the_search_was_given():
    searched = [LARGEST, SMALLEST, evaluated(0.85, 2.0)]
    alone = make_search((searched, [evaluated(0.8, 2.5)]))
    given = make_search((searched, [evaluated(0.8, 2.5)]), corners=CORNERS)
    assert len(hypervolume_curves(alone)[0].random) == 1
    (curves,) = hypervolume_curves(given)
    assert len(curves.random) == 3
    assert curves.random[:2] == curves.search[:2]
    assert curves.at_equal_number == (curves.search[2], curves.random[2])
    assert curves.random[2] == pytest.approx(0.5 * 0.5)


def test_a_corner_that_was_drawn_at_random_counts_once():
    search = make_search(([LARGEST, SMALLEST], [SMALLEST, evaluated(0.8, 2.0)]), corners=CORNERS)
    assert len(hypervolume_curves(search)[0].random) == 3


def test_members_that_break_a_constraint_add_nothing():
    limit = (Constraint(LATENCY, Sense.AT_MOST, 3.0),)
    searched = [evaluated(0.7, 2.0), evaluated(0.99, 4.0), evaluated(0.8, 1.0)]
    search = make_search((searched, [evaluated(0.75, 1.5)]), constraints=limit)
    (curves,) = hypervolume_curves(search)
    assert curves.search == pytest.approx((0.0, 0.0, 1.0))


def test_three_objectives_have_a_volume():
    objectives = (*OBJECTIVES, Objective("macs", Direction.MINIMIZE))
    searched = [evaluated(0.7, 2.0, macs=100), evaluated(0.9, 1.0, macs=50)]
    search = make_search((searched, [evaluated(0.8, 1.5, macs=75)]), objectives=objectives)
    (curves,) = hypervolume_curves(search)
    assert curves.search == pytest.approx((0.0, 1.0))
    assert curves.random == pytest.approx((0.125,))


def test_every_seed_has_curves_from_one_reference_and_a_seed_without_random_members_has_none():
    pair = ([evaluated(0.7, 2.0), evaluated(0.8, 1.0)], [evaluated(0.75, 1.5)])
    search = make_search(pair, ([evaluated(0.9, 1.0)], [evaluated(0.6, 3.0)]), ([evaluated(0.9, 1.0)], []))
    curves = hypervolume_curves(search)
    assert [entry.seed for entry in curves] == [0, 1]
    assert curves[0].search[-1] == pytest.approx(2 / 3)
    assert curves[1].search == pytest.approx((1.0,))


def test_no_evaluations_have_no_curves():
    assert hypervolume_curves(make_search(((), ()))) == ()


def test_rivals_are_near_in_cost_and_the_best_of_those_that_cost_no_more():
    others = [evaluated(0.8, 0.95), evaluated(0.9, 1.05), evaluated(0.99, 1.2), evaluated(0.95, 0.5)]
    found = rivals(PLANE, evaluated(0.9, 1.0), others)
    assert (found.count, found.mean, found.best) == (2, pytest.approx(0.85), 0.95)


def test_a_member_is_no_rival_of_its_own():
    member = evaluated(0.9, 1.0)
    assert rivals(PLANE, member, [member]).count == 0


def test_without_a_random_member_near_there_is_no_mean_and_without_a_cheaper_one_no_best():
    found = gain_of(PLANE, evaluated(0.9, 1.0), [evaluated(0.8, 0.5)])
    assert (found.over_mean, found.over_best) == (None, pytest.approx(0.1))
    assert gain_of(PLANE, evaluated(0.9, 1.0), [evaluated(0.8, 2.0)]).over_best is None


def test_a_quality_of_which_less_is_better_gains_where_it_is_less():
    error = Objective("accuracy", Direction.MINIMIZE)
    found = gain_of(Plane(error, OBJECTIVES[1]), evaluated(0.2, 1.0), [evaluated(0.3, 1.0)])
    assert found.over_best == pytest.approx(0.1)


def test_a_figure_to_be_maximised_counts_as_a_cost_turned_round():
    plane = Plane(ACCURACY, Objective("robustness", Direction.MAXIMIZE))

    def member(accuracy, robustness):
        entry = evaluated(accuracy, robustness)
        entry.figures["robustness"] = robustness
        return entry

    found = gain_of(plane, member(0.9, 0.5), [member(0.8, 0.52), member(0.85, 0.9), member(0.95, 0.1)])
    assert (found.rivals.count, found.rivals.best) == (1, 0.85)


def test_the_corners_and_what_breaks_a_constraint_have_no_gain():
    searched = [LARGEST, SMALLEST, evaluated(0.85, 2.0), evaluated(0.8, 1.5)]
    search = make_search(
        (searched, [evaluated(0.8, 2.0)]), corners=CORNERS, constraints=(Constraint(LATENCY, Sense.AT_LEAST, 1.8),)
    )
    assert [entry.member for entry in gains(search, PLANE, search.searched, search.baseline)] == [searched[2]]


def test_gains_are_counted_seed_by_seed_against_the_seed_s_own_random_members():
    lucky = ([evaluated(0.9, 1.0), evaluated(0.95, 2.0)], [evaluated(0.8, 1.0), evaluated(0.96, 2.0)])
    unlucky = ([evaluated(0.7, 1.0)], [evaluated(0.8, 1.0)])
    without = ([evaluated(0.7, 1.0)], [])
    first, second = seed_gains(make_search(lucky, unlucky, without), PLANE)
    assert (first.seed, first.compared, first.won) == (0, 2, 1)
    assert first.over_mean == first.over_best == pytest.approx((0.1 - 0.01) / 2)
    assert (second.seed, second.compared, second.won, second.over_best) == (1, 1, 0, pytest.approx(-0.1))
