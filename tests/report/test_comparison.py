"""Search against random members: fronts, hypervolumes, accuracy at equal latency."""

from dataclasses import replace

import pytest

from supple.report import mark_front
from supple.report.comparison import at_equal_latency, best_at_most, front_of, hypervolume_curves


@pytest.fixture
def evaluated(summary):
    """Make members from pairs of accuracy and latency, each with a config of its own."""

    def make(*points):
        return tuple(
            replace(summary.search[0], accuracy=accuracy, latency_ms=latency, config={"width": index}, on_front=False)
            for index, (accuracy, latency) in enumerate(points)
        )

    return make


def test_the_front_is_marked(evaluated):
    marked = mark_front(evaluated((0.8, 1.0), (0.7, 2.0), (0.9, 3.0)))
    assert [member.on_front for member in marked] == [True, False, True]


def test_an_old_mark_does_not_stay(evaluated):
    dominated = replace(evaluated((0.5, 2.0))[0], on_front=True)
    assert not mark_front([dominated, *evaluated((0.8, 1.0))])[0].on_front


def test_the_front_is_read_by_rising_latency(evaluated):
    marked = mark_front(evaluated((0.9, 3.0), (0.8, 1.0), (0.7, 2.0)))
    assert [member.latency_ms for member in front_of(marked)] == [1.0, 3.0]


def test_hypervolumes_share_the_worst_corner_as_reference(evaluated):
    curves = hypervolume_curves(evaluated((0.9, 1.0), (0.8, 0.5)), evaluated((0.7, 2.0), (0.8, 4.0)))
    assert (curves.reference_accuracy, curves.reference_latency_ms) == (0.7, 4.0)
    assert curves.search == pytest.approx((0.6, 0.65))
    assert curves.baseline == pytest.approx((0.0, 0.0))


def test_no_evaluations_have_empty_curves():
    curves = hypervolume_curves((), ())
    assert (curves.search, curves.baseline) == ((), ())


def test_the_best_at_most_a_latency(evaluated):
    members = evaluated((0.8, 1.0), (0.85, 1.5), (0.9, 3.0))
    assert best_at_most(members, 2.0) == members[1]
    assert best_at_most(members, 0.5) is None


def test_random_members_at_equal_latency_are_counted_averaged_and_ranked(evaluated):
    rivals = at_equal_latency(evaluated((0.8, 0.95), (0.9, 1.05), (0.99, 1.2)), 1.0, window=0.1)
    assert rivals is not None
    assert (rivals.count, rivals.mean_accuracy, rivals.best_accuracy) == (2, pytest.approx(0.85), 0.9)


def test_without_a_random_member_near_there_is_no_comparison(evaluated):
    assert at_equal_latency(evaluated((0.8, 2.0)), 1.0) is None
