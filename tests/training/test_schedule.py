"""The learning rate over a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple.training.schedule import learning_rate


@given(steps=st.integers(1, 500), warmup_share=st.floats(0, 0.99))
def test_it_rises_to_the_highest_and_then_falls(steps, warmup_share):
    rates = [learning_rate(0.3, step, steps, warmup_share) for step in range(steps)]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.3)
    assert min(rates) > 0
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)


def test_it_ends_near_zero():
    assert learning_rate(1.0, 999, 1000, 0.1) < 1e-5
