"""Telling a run that diverges from one that is noisy."""

import json
import math
import random

import pytest

from supple.errors import SuppleError
from supple.training.diverging import Diverging, skipped_too_often


def falling(step: int) -> float:
    return 0.2 + 2.1 * math.exp(-step / 100)


def first_alarm(losses: list[float]) -> int | None:
    watch = Diverging()
    return next((step for step, loss in enumerate(losses) if watch.after_step(loss, [loss], 0.5) is not None), None)


def test_a_loss_that_rises_well_above_its_start_is_told_with_a_value_to_try():
    watch = Diverging()
    told = [watch.after_step(2.3 * 1.1**step, [2.3, math.nan], 0.5) for step in range(60)]
    lines = [line for line in told if line is not None]
    assert len(lines) == 1
    assert lines[0].startswith("Training diverges: the loss of the largest member is ")
    assert lines[0].endswith("The learning rate is 0.5: try learning_rate 0.12, or a longer warm-up (warmup_share).")


def test_a_network_that_has_learned_and_collapses_to_chance_is_told():
    losses = [falling(step) for step in range(400)] + [2.303] * 40
    assert 400 < first_alarm(losses) < 440


@pytest.mark.parametrize("spike", [10.0, 1e6])
def test_a_spike_is_no_alarm(spike):
    losses = [falling(step) for step in range(600)]
    losses[300:310] = [spike] * 10
    losses[2] = spike
    assert first_alarm(losses) is None


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_alarm(seed):
    rng = random.Random(seed)
    mixup = [max(0.01, falling(step) + (1.2 if rng.random() < 0.5 else 0) + rng.gauss(0, 0.3)) for step in range(2000)]
    assert first_alarm(mixup) is None
    nearly_zero = [math.exp(-step / 100) * rng.lognormvariate(0, min(1.5, step / 200)) for step in range(2000)]
    assert first_alarm(nearly_zero) is None
    chance = [2.303 + rng.gauss(0, 0.1) for _ in range(2000)]
    assert first_alarm(chance) is None


def test_a_trained_model_that_loses_something_to_its_members_is_no_alarm():
    watch = Diverging()
    largest = [0.1 + 0.5 * math.sin(min(step / 200, math.pi)) for step in range(800)]
    assert first_alarm(largest) is not None  # were it alone
    assert [line for loss in largest if (line := watch.after_step(loss, [loss, 2.3], 0.5))] == []


def test_losses_that_are_not_finite_or_below_zero_are_left_out():
    losses = [math.nan, math.inf, -1.0, 0.0] * 50
    assert first_alarm(losses) is None
    assert first_alarm([1.0] * 10 + losses + [1.0] * 100) is None


@pytest.mark.parametrize("cut", [0, 3, 20, 300, 470])
def test_with_a_restored_state_it_goes_on_as_before(cut):
    losses = [falling(step) for step in range(400)] + [2.303] * 100
    watch, restored = Diverging(), Diverging()
    for loss in losses[:cut]:
        watch.after_step(loss, [loss], 0.5)
    restored.load_state(json.loads(json.dumps(watch.state(), allow_nan=False)))
    for loss in losses[cut:]:
        assert watch.after_step(loss, [loss], 0.5) == restored.after_step(loss, [loss], 0.5)
    assert watch.state() == restored.state()


@pytest.mark.parametrize("state", [{}, {"first": 1, "recent": [], "best": None, "has_told": False}, {"first": ["x"]}])
def test_a_state_of_another_form_is_refused(state):
    with pytest.raises(SuppleError, match="This is no state of the watch over the losses"):
        Diverging().load_state(state)


def test_too_many_skipped_updates_are_told_with_a_value_to_try():
    assert skipped_too_often(10, "step 30 (batch 2 of epoch 3)", "the loss is nan", 0.02) == (
        "10 updates in a row were skipped, the last at step 30 (batch 2 of epoch 3): the loss is nan. The learning "
        "rate is 0.02: try learning_rate 0.005, or a longer warm-up (warmup_share). If that does not help, look for "
        "values in the data that are not finite."
    )
