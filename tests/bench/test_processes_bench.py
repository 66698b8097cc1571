"""The benchmark of several processes: whose time counts, and what is said where one fails."""

import pytest

from supple.bench.processes import measure, slowest
from supple.bench.processes_case import Measured, Step
from supple.errors import SuppleError


def test_the_slowest_process_of_each_round_counts():
    one, other = (Measured(dict.fromkeys(Step, times), {}) for times in ([1.0, 4.0, 2.0], [3.0, 2.0, 2.5]))
    assert slowest([one, other]).rounds_ms == dict.fromkeys(Step, (3.0, 4.0, 2.5))


@pytest.mark.slow
def test_processes_measure_the_same_steps_of_the_same_members():
    one, other = measure("supple.bench.processes_case", ["4", "1", "3"])
    for measured in (one, other):
        assert {step: len(times) for step, times in measured.rounds_ms.items()} == dict.fromkeys(Step, 1)
    assert one.gradient_bytes == other.gradient_bytes
    # Every parameter once per step, or in every member that holds a part of it.
    assert 0 == one.gradient_bytes[Step.ALONE] < one.gradient_bytes[Step.ONCE] < one.gradient_bytes[Step.PER_MEMBER]


def test_a_process_that_fails_is_quoted():
    with pytest.raises(SuppleError) as caught:
        measure("supple.bench.processes_case", ["no number", "1", "3"])
    assert "The processes of supple.bench.processes_case ended with status 1: " in str(caught.value)
    assert "ValueError: invalid literal for int() with base 10: 'no number'" in str(caught.value)
