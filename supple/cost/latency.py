"""Time several things in interleaved rounds until their medians are known well enough.

Each round runs everything once, in an order drawn anew, so that what happens on the machine meanwhile meets all alike.
In a round, each thing runs once untimed, because the caches hold another's data, and then for at least 2 ms: a block. A
block in which the system took the processor away from this process (it counts that) is repeated. Python's garbage
collector rests meanwhile. Measuring runs in the caller's process: nothing else may compute there meanwhile.

Where a reference runs in each round, it tells two troubles apart. In an outlier round the reference takes another time
than in the rounds around it: something else ran, and the round does not count. On a drifting machine it takes another
time from some round on: those rounds count, because the ratio to the reference stays what it is.
"""

import gc
import math
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median, quantiles
from typing import NamedTuple

from supple.cost.interval import is_within, median_interval
from supple.errors import SuppleError

LATENCY_SPREAD = "95 % interval of the median"
_BLOCK_SECONDS = 0.002
FEWEST_ROUNDS = 3
_ATTEMPTS = 4
_WARM_UP_WINDOW = 5
_WARM_UP_RUNS = 100
_WARM_UP_CHANGE = 0.05
_WARM_UP_SECONDS = 2.0
_LONGEST_REPEATED_SECONDS = 0.2
_NEIGHBOURS = 4
_OUTLIER_SPREADS = 4.0
_SMALLEST_OUTLIER = 0.05
_NORMAL_SPREAD = 1.4826  # The standard deviation of a normal distribution whose median absolute deviation is 1.
_STRETCHES = 5
_CHECK_GROWTH = 1.1

Run = Callable[[], object]
"""A call that does once what is to be timed."""

Sign = Callable[[], None]
"""A call that is made between blocks, to tell that measuring goes on."""


def _no_sign() -> None:
    pass


@dataclass(frozen=True)
class Effort:
    """How long to measure: until every interval is narrow, in `min_rounds` or more (3 at least), or time is up.

    An interval is narrow where its ends are at most a share `precision` from the median. `max_seconds` limits the
    rounds of one measurement, however many things it compares; `seed` draws the order within each round.
    """

    precision: float = 0.02
    min_rounds: int = 11
    max_seconds: float = 20.0
    seed: int = 0


DEFAULT_EFFORT = Effort()


@dataclass(frozen=True)
class Latency:
    """How long one batch takes, in ms.

    `low_ms` and `high_ms` are the ends of a 95 % interval of the median, by order statistics: it is exact whatever the
    distribution, where a bootstrap of a median is an approximation. The quartiles show the spread over `rounds` rounds.
    `disturbed` is the share of rounds in which this process lost the processor in each attempt; they do not count,
    unless almost all rounds are such. `is_narrow` says why measuring stopped: because the interval was narrow enough,
    or (False) because time was up.

    Where a reference network ran in the same rounds, all these times are as if it took `reference_ms` in each round;
    in truth it took `drift` times that, in the median. `outliers` is the share of rounds that do not count because it
    took another time than in the rounds around them. `wander` is how much its time changed meanwhile: the largest of
    the medians of five stretches of the rounds, as a multiple of the smallest.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    lower_quartile_ms: float
    upper_quartile_ms: float
    rounds: int
    disturbed: float
    is_narrow: bool
    reference_ms: float | None = None
    drift: float = 1.0
    outliers: float = 0.0
    wander: float = 1.0


class Block(NamedTuple):
    """The mean time of the runs of one thing in one round, and whether the process lost the processor meanwhile."""

    seconds: float
    is_disturbed: bool


Rounds = list[list[Block]]
"""The blocks of each round, in the order in which the things were given."""


def time_interleaved(runs: Sequence[Run], effort: Effort, sign: Sign = _no_sign) -> list[Latency]:
    """Time each of `runs`, calls without arguments; return the latencies in the same order.

    `sign` is called between blocks.
    Raises `SuppleError` where there is nothing to time.
    """

    def milliseconds(rounds: Rounds) -> list[list[float]]:
        return [
            [1000 * blocks[index].seconds for blocks in _undisturbed(rounds, [index])] for index in range(len(runs))
        ]

    rounds = _run_rounds(runs, effort, milliseconds, sign)
    return [
        _latency(series, _disturbed(rounds, [index]), effort.precision)
        for index, series in enumerate(milliseconds(rounds))
    ]


def time_against_reference(
    reference: Run, runs: Sequence[Run], effort: Effort, reference_ms: float | None, sign: Sign = _no_sign
) -> list[Latency]:
    """Time `runs` as `time_interleaved` does, each as a ratio to the reference in the same round.

    The ratios are turned into times with `reference_ms`, by default what the reference takes in these rounds. A
    machine whose speed changes from round to round, or from one measurement to the next, so changes little. `sign` is
    called between blocks.
    """

    def ratios(rounds: Rounds) -> list[list[float]]:
        steady = _steady(rounds)
        return [
            [blocks[index].seconds / blocks[0].seconds for blocks in _undisturbed(steady, [0, index])]
            for index in range(1, len(runs) + 1)
        ]

    rounds = _run_rounds([reference, *runs], effort, ratios, sign)
    steady = _steady(rounds)
    reference_seconds = [blocks[0].seconds for blocks in _undisturbed(steady, [0])]
    measured_ms = 1000 * median(reference_seconds)
    unit_ms = measured_ms if reference_ms is None else reference_ms
    return [
        replace(
            _latency([unit_ms * ratio for ratio in series], _disturbed(rounds, [0, index]), effort.precision),
            reference_ms=unit_ms,
            drift=measured_ms / unit_ms,
            outliers=1 - len(steady) / len(rounds),
            wander=_wander(reference_seconds),
        )
        for index, series in enumerate(ratios(rounds), start=1)
    ]


def _run_rounds(
    runs: Sequence[Run], effort: Effort, summarised: Callable[[Rounds], list[list[float]]], sign: Sign
) -> Rounds:
    """Run rounds until the medians of the summarised series are known well enough, or time is up."""
    if not runs:
        raise SuppleError("There is nothing to measure: give at least one model.")
    rng = random.Random(effort.seed)
    order = list(range(len(runs)))
    rounds: Rounds = []
    with _without_garbage_collection():
        repeats = [max(1, math.ceil(_BLOCK_SECONDS / _warm_up(run, sign))) for run in runs]
        deadline = time.perf_counter() + effort.max_seconds
        next_check = fewest = max(FEWEST_ROUNDS, effort.min_rounds)
        while len(rounds) < FEWEST_ROUNDS or time.perf_counter() < deadline:
            rng.shuffle(order)
            blocks = {index: _block(runs[index], repeats[index], sign) for index in order}
            rounds.append([blocks[index] for index in range(len(runs))])
            # Each check takes longer than the last: so they come at longer and longer distances.
            if len(rounds) >= next_check:
                next_check = math.ceil(_CHECK_GROWTH * len(rounds))
                if all(
                    len(series) >= fewest and _is_narrow(sorted(series), effort.precision)
                    for series in summarised(rounds)
                ):
                    break
    return rounds


def _undisturbed(rounds: Rounds, indices: Sequence[int]) -> Rounds:
    """Return the rounds in which none of these things was disturbed; all rounds where almost none is left."""
    kept = [blocks for blocks in rounds if not any(blocks[index].is_disturbed for index in indices)]
    return kept if len(kept) >= FEWEST_ROUNDS else rounds


def _disturbed(rounds: Rounds, indices: Sequence[int]) -> float:
    """Return the share of rounds in which any of these things was disturbed."""
    return sum(any(blocks[index].is_disturbed for index in indices) for blocks in rounds) / len(rounds)


def _steady(rounds: Rounds) -> Rounds:
    """Return the rounds without those in which the reference, the first thing, took another time than around them.

    A Hampel filter (Davies and Gather, The Identification of Multiple Outliers, 1993): a round is out where it is
    further from the median of its neighbours than four robust standard deviations of such distances. Rounds in which
    the reference was disturbed stay in: they are known to be of no use already.
    """
    undisturbed = [index for index, blocks in enumerate(rounds) if not blocks[0].is_disturbed]
    if len(undisturbed) <= _NEIGHBOURS:
        return rounds
    seconds = [rounds[index][0].seconds for index in undisturbed]
    distances = []
    for position, here in enumerate(seconds):
        around = seconds[max(0, position - _NEIGHBOURS) : position] + seconds[position + 1 : position + 1 + _NEIGHBOURS]
        distances.append(abs(here / median(around) - 1))
    most = max(_SMALLEST_OUTLIER, _OUTLIER_SPREADS * _NORMAL_SPREAD * median(distances))
    out = {index for index, distance in zip(undisturbed, distances, strict=True) if distance > most}
    return [blocks for index, blocks in enumerate(rounds) if index not in out]


def _wander(seconds: Sequence[float]) -> float:
    """Return the largest median of five stretches of a series as a multiple of the smallest; 1 where it is short."""
    if len(seconds) < _STRETCHES * FEWEST_ROUNDS:
        return 1.0
    bounds = [len(seconds) * stretch // _STRETCHES for stretch in range(_STRETCHES + 1)]
    medians = [median(seconds[first:last]) for first, last in pairwise(bounds)]
    return max(medians) / min(medians)


def _is_narrow(ordered: Sequence[float], precision: float) -> bool:
    low, high = median_interval(ordered)
    return is_within(low, median(ordered), high, precision)


def _latency(series: Sequence[float], disturbed: float, precision: float) -> Latency:
    ordered = sorted(series)
    low, high = median_interval(ordered)
    lower, _, upper = quantiles(ordered, n=4, method="inclusive")
    return Latency(median(ordered), low, high, lower, upper, len(ordered), disturbed, _is_narrow(ordered, precision))


def _warm_up(run: Run, sign: Sign) -> float:
    """Run until two windows of runs in a row take about as long; return the seconds of one run."""
    before = math.inf
    end = time.perf_counter() + _WARM_UP_SECONDS
    for _ in range(_WARM_UP_RUNS // _WARM_UP_WINDOW):
        window = [_seconds(run, sign)]
        while len(window) < _WARM_UP_WINDOW and time.perf_counter() < end:
            window.append(_seconds(run, sign))
        now = median(window)
        if abs(now - before) <= _WARM_UP_CHANGE * now or time.perf_counter() >= end:
            break
        before = now
    return max(now, 1e-9)


def _block(run: Run, repeats: int, sign: Sign) -> Block:
    for _ in range(_ATTEMPTS):
        sign()
        run()
        switches = _times_interrupted()
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        seconds = time.perf_counter() - start
        block = Block(seconds / repeats, _times_interrupted() > switches)
        # In a long block the processor is lost sooner or later, and repeating it would cost more than a round.
        if not block.is_disturbed or seconds > _LONGEST_REPEATED_SECONDS:
            break
    return block


def _times_interrupted() -> int:
    """Return how often the system has taken a processor from any thread of this process that wanted to go on."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _seconds(run: Run, sign: Sign) -> float:
    sign()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
