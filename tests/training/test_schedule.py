"""The learning rate over a run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple.training.schedule import Schedule, learning_rate

schedules = st.sampled_from(list(Schedule))


@given(steps=st.integers(1, 500), warmup_share=st.floats(0, 0.99), schedule=schedules, floor=st.floats(0, 1))
def test_it_rises_to_the_highest_and_then_falls(steps, warmup_share, schedule, floor):
    rates = [learning_rate(0.3, step, steps, warmup_share, schedule, floor) for step in range(steps)]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.3)
    assert min(rates) > 0
    assert rates == pytest.approx(sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True))


@given(steps=st.integers(1, 500), warmup_share=st.floats(0, 0.99), schedule=schedules, floor=st.floats(0, 1))
def test_after_the_warm_up_it_does_not_fall_below_the_floor(steps, warmup_share, schedule, floor):
    after = range(round(warmup_share * steps), steps)
    assert all(
        learning_rate(2.0, step, steps, warmup_share, schedule, floor) >= 2 * floor * (1 - 1e-9) for step in after
    )


@pytest.mark.parametrize(
    ("schedule", "floor", "halfway", "end"),
    [
        (Schedule.COSINE, 0.0, 0.5, 0.0),
        (Schedule.COSINE, 0.2, 0.6, 0.2),
        (Schedule.LINEAR, 0.2, 0.6, 0.2),
        (Schedule.CONSTANT, 0.2, 1.0, 1.0),
        (Schedule.EXPONENTIAL, 0.0, 0.1, 0.01),
        (Schedule.EXPONENTIAL, 0.05, 0.1, 0.05),
        (Schedule.STEP, 0.0, 0.1, 0.01),
        (Schedule.STEP, 0.02, 0.1, 0.02),
    ],
)
def test_its_values_halfway_and_at_the_end(schedule, floor, halfway, end):
    assert learning_rate(1.0, 50_000, 100_000, 0.0, schedule, floor) == pytest.approx(halfway)
    assert learning_rate(1.0, 99_999, 100_000, 0.0, schedule, floor) == pytest.approx(end, abs=1e-3 * (end or 1))


def test_the_steps_are_thirds_of_what_follows_the_warm_up():
    rates = [learning_rate(1.0, step, 40, 0.25, Schedule.STEP) for step in range(10, 40)]
    assert rates == pytest.approx([1.0] * 10 + [0.1] * 10 + [0.01] * 10)


def test_the_cosine_without_a_floor_is_the_textbook_formula_to_the_last_bit():
    expected = [0.3 * (1 + math.cos(math.pi * (step - 10) / 90)) / 2 for step in range(10, 100)]
    assert [learning_rate(0.3, step, 100, 0.1) for step in range(10, 100)] == expected
