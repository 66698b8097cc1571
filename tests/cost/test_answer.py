"""Tests of checking answers: each that cannot be true is refused, whatever figure gives it away."""

from dataclasses import asdict, replace

import pytest

from supple.cost import Effort, Latency
from supple.cost.answer import LieError, checked_energies, checked_latencies
from supple.cost.energy import Energy, NoCounter
from supple.cost.request import Quantity, Request
from supple.runtime import parse_target

TRUE = Latency(2.0, 1.9, 2.1, 1.8, 2.2, 20, 0.1, False, reference_ms=4.0, drift=1.5)
REQUEST = Request(parse_target("onnxruntime:cpu"), "a" * 64, ("b" * 64, "c" * 64), Effort(), 4.0, "0" * 16)
ANSWER = {
    "identity": "0" * 16,
    "target": "onnxruntime:cpu?threads=1&batch=1",
    "reference": "a" * 64,
    "programs": ["b" * 64, "c" * 64],
    "quantity": "latency",
    "latencies": [asdict(TRUE), asdict(TRUE)],
}


def test_a_true_answer_is_believed():
    assert checked_latencies(ANSWER, REQUEST, seconds=1.0) == [TRUE, TRUE]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", "1" * 16),
        ("target", "onnxruntime:cpu?threads=2&batch=1"),
        ("reference", "b" * 64),
        ("programs", ["c" * 64, "b" * 64]),
        ("programs", ["b" * 64]),
        ("programs", None),
        ("quantity", "energy"),
    ],
)
def test_an_answer_to_something_else_is_refused(name, value):
    with pytest.raises(LieError, match=f"answered with another {name}"):
        checked_latencies({**ANSWER, name: value}, REQUEST, seconds=1.0)


@pytest.mark.parametrize("latencies", [None, {}, [], [asdict(TRUE)], [asdict(TRUE)] * 3])
def test_another_number_of_latencies_is_refused(latencies):
    with pytest.raises(LieError, match="did not answer with 2 latencies"):
        checked_latencies({**ANSWER, "latencies": latencies}, REQUEST, seconds=1.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"median_ms": float("nan")}, "no finite number"),
        ({"median_ms": float("inf")}, "no finite number"),
        ({"median_ms": "2"}, "no finite number"),
        ({"median_ms": True}, "no finite number"),
        ({"median_ms": None}, "no finite number"),
        ({"median_ms": -2.0}, "not positive"),
        ({"low_ms": 0.0}, "not positive"),
        ({"drift": 0}, "not positive"),
        ({"disturbed": -0.1}, "not positive"),
        ({"disturbed": 1.1}, "more rounds than there were"),
        ({"outliers": 1.1}, "more rounds than there were"),
        ({"wander": 0.0}, "not positive"),
        ({"median_ms": 2.15}, "not between 1.9 and 2.1 ms"),
        ({"low_ms": 2.05}, "not between"),
        ({"high_ms": 1.95}, "not between"),
        ({"lower_quartile_ms": 2.05}, "not between"),
        ({"upper_quartile_ms": 1.95}, "not between"),
        ({"rounds": 2}, "2 rounds"),
        ({"rounds": 20.0}, "20.0 rounds"),
        ({"rounds": 10**9}, "1000000000 rounds"),
        ({"is_narrow": True}, "not as narrow, or as wide, as it says"),
        ({"is_narrow": 0}, "did not say why measuring stopped"),
        ({"reference_ms": 5.0}, "another time of the reference"),
        ({"reference_ms": None}, "another time of the reference"),
        ({"reference_ms": "4"}, "no finite number"),
        ({"rounds": 1000}, "longer than the answer did"),
        ({"extra": 1.0}, "lacks figures, or has others"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(changes, reason):
    lie = {**asdict(TRUE), **changes}
    with pytest.raises(LieError, match=reason):
        checked_latencies({**ANSWER, "latencies": [asdict(TRUE), lie]}, REQUEST, seconds=1.0)


def test_a_latency_that_lacks_a_figure_is_refused():
    lie = {name: value for name, value in asdict(TRUE).items() if name != "rounds"}
    with pytest.raises(LieError, match="lacks figures"):
        checked_latencies({**ANSWER, "latencies": [lie, asdict(TRUE)]}, REQUEST, seconds=1.0)


def test_latencies_of_one_answer_go_back_to_one_time_of_the_reference():
    lie = {**asdict(TRUE), "drift": 1.4}
    with pytest.raises(LieError, match="another time of the reference"):
        checked_latencies({**ANSWER, "latencies": [asdict(TRUE), lie]}, REQUEST, seconds=1.0)


def test_without_a_reference_times_are_what_they_are():
    request = replace(REQUEST, reference=None, reference_ms=None)
    alone = replace(TRUE, reference_ms=None, drift=1.0)
    answer = {**ANSWER, "reference": None, "latencies": [asdict(alone)] * 2}
    assert checked_latencies(answer, request, seconds=1.0) == [alone, alone]
    with pytest.raises(LieError, match="longer than the answer did"):
        checked_latencies(answer, request, seconds=0.01)
    with pytest.raises(LieError, match="another time of the reference"):
        checked_latencies({**answer, "latencies": [asdict(TRUE)] * 2}, request, seconds=1.0)


ENERGY = Energy(5.0, 4.0, 6.0, 10.0, "RAPL")
ASKED_FOR_ENERGY = replace(REQUEST, quantity=Quantity.ENERGY)
OF_ENERGY = {**ANSWER, "quantity": "energy", "energies": [asdict(ENERGY)] * 2, "reason": None}


def test_true_energies_are_believed():
    assert checked_energies(OF_ENERGY, ASKED_FOR_ENERGY) == [ENERGY, ENERGY]
    # Noise may be larger than what a small network takes.
    small = replace(ENERGY, low_mj=-7.0, median_mj=-1.0)
    assert checked_energies({**OF_ENERGY, "energies": [asdict(small)] * 2}, ASKED_FOR_ENERGY) == [small, small]


def test_a_machine_without_a_counter_is_believed():
    answer = {**OF_ENERGY, "energies": None, "reason": "there is\nno counter"}
    assert checked_energies(answer, ASKED_FOR_ENERGY) == NoCounter("there is no counter")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identity": "1" * 16}, "another identity"),
        ({"quantity": "latency"}, "another quantity"),
        ({"energies": [asdict(ENERGY)]}, "did not answer with 2 energies"),
        ({"energies": None}, "did not answer with 2 energies"),
        ({"energies": [{}, {}]}, "lacks figures"),
        ({"energies": [asdict(replace(ENERGY, idle_watts=float("nan")))] * 2}, "no finite number"),
        ({"energies": [asdict(replace(ENERGY, low_mj=5.5))] * 2}, "not in its interval"),
        ({"energies": [asdict(replace(ENERGY, counter=3))] * 2}, "lacks figures"),
    ],
)
def test_energies_that_cannot_be_true_are_refused(changes, reason):
    with pytest.raises(LieError, match=reason):
        checked_energies({**OF_ENERGY, **changes}, ASKED_FOR_ENERGY)
