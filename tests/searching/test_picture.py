"""The picture of a front: what stands where, in characters."""

import pytest

from supple.searching import Constraint, Direction, Evaluation, History, Objective, Problem
from supple.searching.picture import BROKEN, FRONT, LEAST_WIDTH, MOST_WIDTH, RANDOM, SEARCHED, front_picture
from supple.searching.wishes import Sense
from supple.space import Dimension, Kind, Space

SPACE = Space([Dimension("width", Kind.WIDTH, tuple(range(1, 101)))])
ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
LATENCY = Objective("latency_ms on onnxruntime:cpu", Direction.MINIMIZE)


def member(number, accuracy, latency):
    return Evaluation(SPACE.config({"width": number}), {"accuracy": accuracy, LATENCY.figure: latency})


def picture(members, baseline=(), width=60, objectives=(ACCURACY, LATENCY), constraints=()):
    entries = [member(number, *figures) for number, figures in enumerate(members, start=1)]
    others = [member(number, *figures) for number, figures in enumerate(baseline, start=51)]
    return front_picture(History(Problem(SPACE, objectives, constraints), entries), others, width)


def rows(text):
    """Return what stands in the plot, row by row, without the axis."""
    return [line.partition("|")[2] for line in text.splitlines() if "|" in line]


def test_the_best_stand_above_and_the_cheapest_to_the_left():
    drawn = rows(picture([(0.9, 4.0), (0.7, 1.0), (0.7, 4.0)]))
    assert drawn[0].index(FRONT) == drawn[-1].index(SEARCHED) == 60 - 3 - len("0.9") - 1
    assert drawn[-1].index(FRONT) == 0


def test_front_searched_and_random_members_have_marks_of_their_own():
    text = picture([(0.9, 2.0), (0.7, 1.0), (0.6, 3.0)], [(0.8, 2.5)])
    drawn = "".join(rows(text))
    assert [drawn.count(mark) for mark in (FRONT, SEARCHED, RANDOM)] == [2, 1, 1]
    assert text.splitlines()[-1] == "* front   . searched   o random (1)"


def test_what_breaks_a_constraint_is_on_no_front():
    limit = Constraint(LATENCY.figure, Sense.AT_MOST, 1.5)
    text = picture([(0.9, 2.0), (0.7, 1.0)], constraints=(limit,))
    drawn = rows(text)
    assert BROKEN in drawn[0]
    assert FRONT in drawn[-1]
    assert text.endswith("x breaks a constraint")


def test_the_axes_have_their_numbers_and_their_names():
    lines = picture([(0.9, 4.0), (0.7, 1.0)]).splitlines()
    assert lines[0] == "accuracy against latency_ms on onnxruntime:cpu"
    assert [line.split("|")[0].strip() for line in lines if "|" in line and line.split("|")[0].strip()] == [
        "0.9", "0.8", "0.7",
    ]  # fmt: skip
    assert lines[-2].split() == ["1", "2.5", "4"]
    assert len(lines) == 14


def test_a_quality_of_which_less_is_better_has_its_front_below():
    error = Objective("accuracy", Direction.MINIMIZE)
    drawn = rows(picture([(0.9, 1.0), (0.1, 1.0)], objectives=(error, LATENCY)))
    assert FRONT in drawn[-1]
    assert FRONT not in drawn[0]


def test_without_a_cost_the_number_of_the_evaluation_takes_its_place():
    text = picture([(0.7, 1.0), (0.9, 1.0), (0.8, 1.0)], objectives=(ACCURACY,))
    assert text.splitlines()[0] == "accuracy against evaluations"
    assert "".join(rows(text)).count(FRONT) == 1
    assert text.splitlines()[-2].split() == ["1", "2", "3"]


def test_one_member_alone_is_drawn():
    assert "".join(rows(picture([(0.9, 1.0)]))).count(FRONT) == 1


@pytest.mark.parametrize("width", [LEAST_WIDTH, 72, 500])
def test_no_line_is_wider_than_the_terminal_or_than_can_be_read(width):
    lines = picture([(0.123456, 1234.5), (0.9, 1.0)], [(0.5, 5.0)], width).splitlines()
    assert max(map(len, lines)) <= min(width, MOST_WIDTH)
    assert "\n".join(lines).isascii()


def test_without_room_or_members_there_is_no_picture():
    assert picture([(0.9, 1.0)], width=LEAST_WIDTH - 1) == ""
    assert picture([]) == ""
