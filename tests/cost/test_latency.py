"""Tests of timing in interleaved rounds, on a clock that only the timed runs move."""

import gc
import itertools
import json
import random
from dataclasses import asdict

import pytest

from supple.cost import Effort, Latency, time_against_reference, time_interleaved
from supple.errors import SuppleError


def test_constant_times_are_found_and_end_the_measurement_early(clock):
    slow, fast = time_interleaved([clock.run(3.0), clock.run(0.1)], Effort(min_rounds=11))
    assert slow.median_ms == pytest.approx(3.0)
    assert fast.median_ms == pytest.approx(0.1)
    assert (fast.low_ms, fast.high_ms) == (pytest.approx(0.1), pytest.approx(0.1))
    assert fast.is_narrow
    assert fast.rounds == 11


def test_there_are_never_fewer_rounds_than_an_interval_needs(clock):
    (latency,) = time_interleaved([clock.run(3.0)], Effort(min_rounds=1, max_seconds=0.0))
    assert latency.rounds == 3


def test_a_wide_spread_is_measured_until_time_is_up(clock):
    rng = random.Random(0)
    (latency,) = time_interleaved([clock.run(lambda: rng.uniform(2.0, 20.0))], Effort(max_seconds=2.0))
    assert not latency.is_narrow
    assert latency.low_ms < latency.median_ms < latency.high_ms
    assert 2.0 <= clock.seconds < 3.5


def test_a_slow_thing_is_measured_three_times_even_if_that_is_too_long(clock):
    def slow():
        clock.interruptions += 1
        return 10_000.0

    (latency,) = time_interleaved([clock.run(slow)], Effort(max_seconds=1.0))
    assert latency.rounds == 3
    # Once to warm up, and in each round once untimed and once timed.
    assert len(clock.order) == 7


def test_quartiles_show_the_spread(clock):
    times = itertools.chain([4.0] * 10, itertools.cycle([4.0, 2.0, 4.0, 3.0, 4.0, 6.0]))
    (latency,) = time_interleaved([clock.run(lambda: next(times))], Effort(max_seconds=1.0, precision=0.001))
    assert latency.lower_quartile_ms < latency.median_ms < latency.upper_quartile_ms


def test_every_round_runs_everything_in_an_order_drawn_by_the_seed(clock):
    def order_of(seed):
        clock.order.clear()
        time_interleaved([clock.run(3.0, name) for name in "abc"], Effort(min_rounds=20, seed=seed))
        return clock.order[-2 * 3 * 20 :]

    first = order_of(0)
    rounds = [first[start : start + 6] for start in range(0, len(first), 6)]
    assert all(sorted(entry) == list("aabbcc") for entry in rounds)
    assert len({tuple(entry) for entry in rounds}) > 1
    assert order_of(0) == first
    assert order_of(1) != first


def test_short_things_run_many_times_in_a_round(clock):
    time_interleaved([clock.run(0.1, "short"), clock.run(2.5, "long")], Effort(min_rounds=11))
    # 20 times 0.1 ms make the 2 ms of a block; one run before each block is not timed.
    assert clock.order.count("short") >= 11 * 21
    assert clock.order.count("long") < 11 * 2 + 20


def test_rounds_in_which_the_processor_was_lost_do_not_count(clock):
    turns = itertools.count()

    def interrupted_now_and_then():
        # A long stretch, so that repeating the block does not help.
        if next(turns) % 40 < 12:
            clock.interruptions += 1
            return 9.0
        return 3.0

    (latency,) = time_interleaved([clock.run(interrupted_now_and_then)], Effort(min_rounds=30))
    assert (latency.lower_quartile_ms, latency.upper_quartile_ms) == (pytest.approx(3.0), pytest.approx(3.0))
    assert 0 < latency.disturbed < 0.5


def test_a_block_is_repeated_when_the_processor_was_lost(clock):
    turns = itertools.count()

    def interrupted_once_in_a_while():
        if next(turns) % 7 == 0:
            clock.interruptions += 1
            return 9.0
        return 3.0

    (latency,) = time_interleaved([clock.run(interrupted_once_in_a_while)], Effort(min_rounds=30))
    assert latency.disturbed == 0
    assert latency.high_ms == pytest.approx(3.0)


def test_where_the_processor_is_always_lost_all_rounds_count(clock):
    def always_interrupted():
        clock.interruptions += 1
        return 3.0

    (latency,) = time_interleaved([clock.run(always_interrupted)], Effort(max_seconds=0.5))
    assert latency.median_ms == pytest.approx(3.0)
    assert latency.rounds > 3
    assert latency.disturbed == 1.0


def test_a_machine_that_changes_its_speed_does_not_change_the_ratio_to_the_reference(clock):
    def speed():
        return 1.0 + int(clock.seconds / 0.5) % 2

    reference, member = clock.run(lambda: 4 * speed()), clock.run(lambda: 1 * speed())
    effort = Effort(min_rounds=100, max_seconds=4.0)
    (latency,) = time_against_reference(reference, [member], effort, reference_ms=40.0)
    assert latency.median_ms == pytest.approx(10.0)
    assert latency.upper_quartile_ms == pytest.approx(10.0)


def test_rounds_in_which_something_else_ran_are_told_by_the_reference(clock):
    turns = itertools.count()

    def now_and_then_slower():
        return 8.0 if next(turns) % 10 in (4, 5) else 4.0

    effort = Effort(min_rounds=100, max_seconds=4.0)
    (latency,) = time_against_reference(clock.run(now_and_then_slower), [clock.run(1.0)], effort, None)
    # A round runs it twice, untimed and timed: one of five rounds is slow.
    assert latency.outliers == pytest.approx(0.2, abs=0.02)
    assert (latency.lower_quartile_ms, latency.upper_quartile_ms) == (pytest.approx(1.0), pytest.approx(1.0))
    assert latency.wander == pytest.approx(1.0)


def test_a_machine_that_drifts_is_no_outlier(clock):
    def slower_and_slower():
        return 4.0 * (1 + clock.seconds)

    effort = Effort(min_rounds=100, max_seconds=4.0)
    (latency,) = time_against_reference(
        clock.run(slower_and_slower), [clock.run(lambda: slower_and_slower() / 4)], effort, None
    )
    assert latency.outliers == 0.0
    assert latency.wander > 1.5
    assert latency.upper_quartile_ms / latency.lower_quartile_ms == pytest.approx(1.0, abs=0.05)


def test_a_machine_whose_speed_changes_at_once_loses_but_the_rounds_of_the_change(clock):
    turns = itertools.count()
    effort = Effort(min_rounds=100, max_seconds=4.0)
    reference = clock.run(lambda: 4.0 if next(turns) < 110 else 6.0)
    (latency,) = time_against_reference(reference, [clock.run(1.0)], effort, None)
    assert latency.outliers <= 0.02
    assert latency.wander == pytest.approx(1.5)


def test_the_reference_takes_what_it_takes_unless_told_otherwise(clock):
    (latency,) = time_against_reference(clock.run(4.0), [clock.run(1.0)], Effort(), None)
    assert latency.median_ms == pytest.approx(1.0)
    assert latency.reference_ms == pytest.approx(4.0)
    assert latency.drift == pytest.approx(1.0)


def test_the_drift_says_how_much_slower_the_reference_has_become(clock):
    (latency,) = time_against_reference(clock.run(6.0), [clock.run(3.0)], Effort(), reference_ms=4.0)
    assert latency.median_ms == pytest.approx(2.0)
    assert latency.reference_ms == 4.0
    assert latency.drift == pytest.approx(1.5)


def test_the_garbage_collector_rests_and_then_works_again(clock):
    seen = set()

    def look():
        seen.add(gc.isenabled())
        clock.seconds += 0.003

    time_interleaved([look], Effort())
    assert seen == {False}
    assert gc.isenabled()


def test_the_garbage_collector_works_again_after_a_failure(clock):
    def fail():
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        time_interleaved([fail], Effort())
    assert gc.isenabled()


def test_nothing_to_measure_is_an_error():
    with pytest.raises(SuppleError, match="There is nothing to measure: give at least one model"):
        time_interleaved([], Effort())


def test_a_latency_goes_to_json_and_back(clock):
    (latency,) = time_against_reference(clock.run(6.0), [clock.run(3.0)], Effort(), None)
    assert Latency(**json.loads(json.dumps(asdict(latency)))) == latency
