"""Timing in turns: what a round is, and what is compared with what."""

import gc

import pytest

from supple.bench.timing import Spread, Timings, time_interleaved


def test_a_spread_is_the_median_and_the_quartiles():
    assert Spread.of([5, 1, 4, 2, 3]) == Spread(3, 2, 4)


def test_a_ratio_is_taken_within_each_round():
    # The machine is ten times as slow in the second round: that changes no ratio.
    timings = Timings({"one": (2.0, 20.0, 2.0), "other": (1.0, 10.0, 1.0)})
    assert timings.ratio("one", "other") == Spread(2.0, 2.0, 2.0)


def test_every_task_runs_once_in_each_round():
    calls = []
    tasks = {name: lambda name=name: calls.append(name) for name in "abc"}
    timings = time_interleaved(tasks, rounds=4, warm_up_rounds=2)
    assert [sorted(calls[start : start + 3]) for start in range(0, 18, 3)] == [["a", "b", "c"]] * 6
    assert {name: len(rounds) for name, rounds in timings.rounds_ms.items()} == {"a": 4, "b": 4, "c": 4}


def test_the_order_changes_between_rounds_and_follows_the_seed():
    def order(seed):
        calls = []
        time_interleaved({name: lambda name=name: calls.append(name) for name in "abcd"}, rounds=5, seed=seed)
        return tuple(calls)

    assert order(1) == order(1) != order(2)
    assert len({order(1)[start : start + 4] for start in range(0, 24, 4)}) > 1


def test_the_garbage_collector_works_again_after_a_task_fails():
    def fail():
        assert not gc.isenabled()
        raise ValueError("planned")

    with pytest.raises(ValueError, match="planned"):
        time_interleaved({"fail": fail}, rounds=1)
    assert gc.isenabled()


def test_what_runs_before_each_task_is_not_timed(monkeypatch):
    now_ms, calls = [0], []

    def take(name: str, duration_ms: int) -> None:
        calls.append(name)
        now_ms[0] += duration_ms

    monkeypatch.setattr("supple.bench.timing.time.perf_counter_ns", lambda: now_ms[0] * 1_000_000)
    timings = time_interleaved({"task": lambda: take("task", 3)}, 2, before_each=lambda: take("before", 5))
    assert calls == ["before", "task"] * 3
    assert timings.rounds_ms["task"] == (3.0, 3.0)
