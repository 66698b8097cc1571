"""Objectives and constraints as text: what they mean, and every mistake in them."""

import pytest

from supple.errors import SuppleError
from supple.searching.wishes import (
    Constraint,
    Direction,
    Objective,
    Sense,
    Vocabulary,
    total_excess,
    understand_constraints,
    understand_objectives,
)

CPU, VINO = "onnxruntime:cpu?threads=1&batch=1", "openvino:cpu?threads=1&batch=1"
WORDS = Vocabulary(
    {"accuracy": Direction.MAXIMIZE, "macs": Direction.MINIMIZE, "latency_ms": Direction.MINIMIZE, "robustness": None},
    frozenset({"latency_ms"}),
    (CPU, VINO),
)


def test_a_figure_that_depends_on_the_target_is_one_for_each():
    assert understand_objectives(["accuracy", "latency_ms"], WORDS) == (
        Objective("accuracy", Direction.MAXIMIZE),
        Objective(f"latency_ms on {CPU}", Direction.MINIMIZE),
        Objective(f"latency_ms on {VINO}", Direction.MINIMIZE),
    )


def test_a_target_is_named_in_any_spelling():
    assert understand_objectives(["latency_ms on openvino:cpu"], WORDS)[0].figure == f"latency_ms on {VINO}"


def test_a_direction_may_be_told():
    assert understand_objectives(["maximize macs", "minimize robustness"], WORDS) == (
        Objective("macs", Direction.MAXIMIZE),
        Objective("robustness", Direction.MINIMIZE),
    )


@pytest.mark.parametrize(
    ("text", "limit"),
    [("macs <= 262_144", 262144.0), ("macs<=1e6", 1e6), ("  macs  <=  .5 ", 0.5), ("macs <= -2.5e-3", -0.0025)],
)
def test_constraints_are_read(text, limit):
    assert understand_constraints([text], WORDS) == (Constraint("macs", Sense.AT_MOST, limit),)


def test_a_constraint_on_one_target_is_told_as_it_was_given():
    (found,) = understand_constraints(["latency_ms <= 5 on openvino:cpu"], WORDS)
    assert str(found) == f"latency_ms <= 5 on {VINO}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acuracy", r'"acuracy": there is no figure "acuracy"; did you mean "accuracy"\?'),
        ("zzz", 'there is no figure "zzz": accuracy, macs, latency_ms, robustness'),
        ("robustness", 'say whether to maximize or to minimize robustness, as "maximize robustness"'),
        ("macs on openvino:cpu", r'macs is the same on every target: leave "on openvino:cpu\S*" out'),
        ("latency_ms on openvin:cpu", "openvin"),
        ("more accuracy please", r'The objective "more accuracy please" is not understood: expected a figure, as'),
        ("", 'The objective "" is not understood'),
    ],
)
def test_mistakes_in_objectives_are_told(text, message):
    with pytest.raises(SuppleError, match=message):
        understand_objectives([text], WORDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency_ms < 5", r'The constraint "latency_ms < 5" is not understood: expected a figure, <= or >=, and'),
        ("latency <= 5", 'there is no figure "latency"; did you mean "latency_ms"'),
        ("macs <= many", "is not understood"),
        ("macs <= nan", "is not understood"),
    ],
)
def test_mistakes_in_constraints_are_told(text, message):
    with pytest.raises(SuppleError, match=message):
        understand_constraints([text], WORDS)


def test_an_objective_that_stands_there_twice_is_refused():
    with pytest.raises(SuppleError, match="The objective accuracy stands there twice"):
        understand_objectives(["accuracy", "maximize accuracy"], WORDS)


def test_constraints_that_contradict_each_other_are_named():
    with pytest.raises(SuppleError, match='"macs <= 5" and "macs >= 6" contradict each other: no value keeps both'):
        understand_constraints(["macs >= 6", "accuracy >= 0.5", "macs <= 5"], WORDS)
    assert len(understand_constraints(["macs >= 5", "macs <= 5"], WORDS)) == 2


def test_without_a_target_a_figure_of_targets_is_refused():
    nowhere = Vocabulary({"latency_ms": Direction.MINIMIZE}, frozenset({"latency_ms"}))
    with pytest.raises(SuppleError, match='latency_ms depends on the target: name one, as "latency_ms on onnxruntime'):
        understand_objectives(["latency_ms"], nowhere)


def test_excess_is_a_share_of_the_limit_and_adds_up():
    limits = [Constraint("macs", Sense.AT_MOST, 10), Constraint("accuracy", Sense.AT_LEAST, 0.5)]
    assert total_excess(limits, {"macs": 12.0, "accuracy": 0.4}) == pytest.approx(0.2 + 0.2)
    assert total_excess(limits, {"macs": 10.0, "accuracy": 0.5}) == 0
    assert Constraint("macs", Sense.AT_MOST, 0).excess(0.3) == pytest.approx(0.3)
