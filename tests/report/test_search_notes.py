"""Each honest remark about a search appears when its figures call for it."""

import pytest
from report_cases import ACCURACY, LATENCY, OBJECTIVES, evaluated, make_member, make_search, make_space

from supple.report import Level, Note
from supple.report.comparison import HypervolumeCurves
from supple.report.planes import Plane
from supple.report.search_notes import (
    NO_BASELINE,
    constraint_notes,
    exported_gain_notes,
    gain_notes,
    hypervolume_notes,
    search_notes,
    warm_start_notes,
)
from supple.searching.wishes import Constraint, Direction, Objective, Sense

PLANE = Plane(*OBJECTIVES)


def texts(notes, level=Level.CAUTION):
    return [note.text for note in notes if note.level is level]


def test_a_search_without_a_baseline_proves_nothing():
    assert search_notes(make_search(([evaluated(0.9, 1.0)], []))) == [Note(Level.CAUTION, NO_BASELINE)]


def test_where_nothing_was_searched_there_is_nothing_to_say():
    assert search_notes(make_search()) == []


def test_few_random_members_are_too_few():
    notes = texts(search_notes(make_search(([evaluated(0.9, 1.0)], [evaluated(0.8, 1.0)]))))
    assert notes[0] == (
        "The search is compared with 1 random member only: too few to tell chance from skill. A larger budget brings "
        "more."
    )


def test_a_search_that_beats_chance_by_hypervolume_says_by_how_much():
    assert hypervolume_notes([HypervolumeCurves(0, (0.01, 0.05, 0.08), (0.01, 0.04))]) == [
        Note(
            Level.GOOD,
            "The search beat random members by hypervolume: 5.00 % against 4.00 % after 2 evaluations each, "
            "25.00 % more.",
        )
    ]


def test_a_search_that_does_not_beat_chance_is_admitted():
    assert texts(hypervolume_notes([HypervolumeCurves(0, (0.01, 0.04), (0.01, 0.04, 0.05))])) == [
        "The search did not beat random members by hypervolume: 4.00 % against 4.00 % after 2 evaluations each."
    ]


def test_seeds_are_told_by_their_medians_and_how_many_are_ahead():
    curves = [HypervolumeCurves(seed, (value,), (0.05,)) for seed, value in enumerate((0.04, 0.06, 0.08))]
    assert texts(hypervolume_notes(curves), Level.GOOD) == [
        "The search beat random members by hypervolume: 6.00 % against 5.00 % after 1 evaluations each "
        "(medians; ahead with 2 of 3 seeds), 20.00 % more."
    ]


def test_the_front_is_compared_with_random_members_at_equal_cost():
    searched = [evaluated(0.7, 0.5), evaluated(0.8, 1.0), evaluated(0.9, 2.0)]
    baseline = [evaluated(0.78, 0.95), evaluated(0.6, 0.96), evaluated(0.89, 1.9)]
    assert gain_notes(make_search((searched, baseline)), PLANE) == [
        Note(
            Level.GOOD,
            "At equal latency the search's front gains in accuracy +6.00 points over the mean of the random members "
            "within 10 % and +1.50 points over the best random one that costs no more; 2 of 2 members beat that best "
            "one.",
        )
    ]


def test_a_front_that_loses_at_equal_cost_is_a_caution_and_seeds_show_their_range():
    seeds = [([evaluated(accuracy, 1.0)], [evaluated(0.8, 1.0)]) for accuracy in (0.7, 0.79, 0.81)]
    assert texts(gain_notes(make_search(*seeds), PLANE)) == [
        "At equal latency the search's front gains in accuracy -1.00 points (-10.00 points to +1.00 points) over the "
        "mean of the random members within 10 % and -1.00 points (-10.00 points to +1.00 points) over the best random "
        "one that costs no more (mean of each front; median and range of 3 seeds); 1 of 3 members beat that best one."
    ]


def test_without_a_random_member_at_any_cost_of_the_front_there_is_no_gain():
    assert texts(gain_notes(make_search(([evaluated(0.9, 1.0)], [evaluated(0.8, 2.0)])), PLANE)) == [
        "At equal latency there is no random member to compare the search's front with."
    ]


def test_of_several_targets_each_is_named():
    other = Objective("latency_ms on openvino:cpu", Direction.MINIMIZE)
    member, rival = evaluated(0.9, 1.0), evaluated(0.8, 1.0)
    for entry in (member, rival):
        entry.figures[other.figure] = 0.5
    search = make_search(([member], [rival]), objectives=(*OBJECTIVES, other))
    (note,) = gain_notes(search, Plane(ACCURACY, other))
    assert note.text.startswith("At equal latency on openvino:cpu the search's front gains in accuracy +10.00 points")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (
            [Constraint(LATENCY, Sense.AT_MOST, 0.4)],
            'No evaluated member keeps "latency_ms <= 0.4 on onnxruntime:cpu?threads=1": the nearest has 0.500 ms. '
            "The front is empty.",
        ),
        (
            [Constraint(LATENCY, Sense.AT_MOST, 0.6), Constraint("accuracy", Sense.AT_LEAST, 0.8)],
            'No evaluated member keeps "latency_ms <= 0.6 on onnxruntime:cpu?threads=1" and "accuracy >= 0.8" '
            "together. The front is empty.",
        ),
    ],
)
def test_constraints_that_no_member_keeps_are_named_with_the_nearest(limits, expected):
    search = make_search(([evaluated(0.9, 1.0), evaluated(0.7, 0.5)], []), constraints=tuple(limits))
    assert constraint_notes(search) == [Note(Level.CAUTION, expected)]


def test_constraints_that_are_kept_need_no_word():
    search = make_search(([evaluated(0.9, 1.0)], []), constraints=(Constraint(LATENCY, Sense.AT_MOST, 1.0),))
    assert constraint_notes(search) == []


def test_a_start_that_the_random_members_did_not_have_is_told():
    (text,) = texts(warm_start_notes(make_search(warm_start="earlier.sqlite")))
    assert text.startswith('The search was given the best members of the study "earlier.sqlite"; the random members')
    assert warm_start_notes(make_search()) == []


def test_an_exported_member_is_compared_with_random_members_of_its_cost():
    member = make_member("medium", make_space().min(), 0.9, 0.2)
    found = evaluated(0.9, 0.2, member.config)
    rivals = [evaluated(0.88, 0.19), evaluated(0.89, 0.21), evaluated(0.95, 1.0)]
    assert exported_gain_notes([member], make_search(([found], rivals))) == [
        Note(
            Level.GOOD,
            "At the latency of medium (0.200 ms ± 10 %) the search found 90.00 % validation accuracy; 2 random members "
            "reach 88.50 % on average, and the best random one that costs no more reaches 89.00 %.",
        )
    ]
    assert texts(exported_gain_notes([member], make_search(([found], [evaluated(0.9, 0.2)])))) == [
        "At the latency of medium (0.200 ms ± 10 %) the search found 90.00 % validation accuracy; 1 random member "
        "reaches 90.00 % on average, and the best random one that costs no more reaches 90.00 %."
    ]
    assert texts(exported_gain_notes([member], make_search(([found], [evaluated(0.9, 0.5)])))) == [
        "At the latency of medium (0.200 ms ± 10 %) there is no random member to compare with."
    ]


def test_the_largest_and_the_smallest_member_are_not_what_the_search_found():
    member = make_member("small", make_space().min(), 0.9, 0.2)
    search = make_search(([evaluated(0.9, 0.2, member.config)], [evaluated(0.9, 0.2)]), corners=(member.config,))
    assert exported_gain_notes([member], search) == []
