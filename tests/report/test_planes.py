"""Planes: one for each cost, with fronts of their own."""

import pytest
from report_cases import ACCURACY, LATENCY, OBJECTIVES, evaluated, make_search

from supple.report.planes import Plane, allowed, planes_of, whole_front
from supple.searching.wishes import Constraint, Direction, Objective, Sense

MACS = Objective("macs", Direction.MINIMIZE)
OTHER = Objective("latency_ms on openvino:cpu?threads=1&batch=1", Direction.MINIMIZE)


def test_every_other_objective_is_set_against_the_quality():
    search = make_search(((), ()), objectives=(MACS, *OBJECTIVES, OTHER))
    assert [(plane.quality, plane.cost) for plane in planes_of(search)] == [
        (ACCURACY, MACS),
        (ACCURACY, OBJECTIVES[1]),
        (ACCURACY, OTHER),
    ]


def test_where_quality_is_all_the_figures_of_the_constraints_take_the_place_of_costs():
    limits = (Constraint("macs", Sense.AT_MOST, 1e6), Constraint("accuracy", Sense.AT_LEAST, 0.5))
    search = make_search(((), ()), objectives=(ACCURACY,), constraints=limits)
    assert planes_of(search) == (Plane(ACCURACY, MACS),)


def test_where_there_is_no_constraint_either_what_is_known_of_every_member_does():
    assert planes_of(make_search(([evaluated(0.9, 1.0)], ()), objectives=(ACCURACY,))) == (Plane(ACCURACY, MACS),)


def test_a_front_is_read_by_rising_cost():
    members = [evaluated(0.9, 3.0), evaluated(0.8, 1.0), evaluated(0.7, 2.0)]
    assert Plane(*OBJECTIVES).front(members) == [members[1], members[0]]


def test_members_that_break_a_constraint_are_on_no_front():
    search = make_search(
        ([evaluated(0.9, 3.0), evaluated(0.8, 1.0)], ()), constraints=(Constraint(LATENCY, Sense.AT_MOST, 2.0),)
    )
    assert [member.figures["accuracy"] for member in allowed(search, search.searched)] == [0.8]
    assert [member.figures["accuracy"] for member in whole_front(search)] == [0.8]


@pytest.mark.parametrize(("objectives", "expected"), [(OBJECTIVES, 1), ((*OBJECTIVES, MACS), 2)])
def test_a_member_may_be_best_by_all_objectives_and_yet_on_no_front_of_two(objectives, expected):
    members = [evaluated(0.9, 1.0, macs=100), evaluated(0.8, 2.0, macs=50)]
    assert len(whole_front(make_search((members, ()), objectives=objectives))) == expected
