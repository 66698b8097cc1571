"""Times callables against each other: in turns, so that what slows the machine down slows them all."""

import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy
import torch


@dataclass(frozen=True)
class Spread:
    """The median of some samples and the quartiles around it."""

    median: float
    lower_quartile: float
    upper_quartile: float

    @classmethod
    def of(cls, samples: Iterable[float]) -> "Spread":
        """Return the spread of the samples; there must be at least one."""
        lower, median, upper = numpy.quantile(list(samples), (0.25, 0.5, 0.75))
        return cls(float(median), float(lower), float(upper))


@dataclass(frozen=True)
class Timings:
    """How long each task took in each round, in milliseconds."""

    rounds_ms: Mapping[str, tuple[float, ...]]

    def spread(self, task: str) -> Spread:
        """Return the spread of one task over the rounds, in milliseconds."""
        return Spread.of(self.rounds_ms[task])

    def ratio(self, task: str, other: str) -> Spread:
        """Return the spread of `task / other`, compared within each round, where the machine was in the same state."""
        pairs = zip(self.rounds_ms[task], self.rounds_ms[other], strict=True)
        return Spread.of(one / another for one, another in pairs)


def time_interleaved(
    tasks: Mapping[str, Callable[[], object]],
    rounds: int,
    seed: int = 0,
    warm_up_rounds: int = 1,
    before_each: Callable[[], object] = lambda: None,
) -> Timings:
    """Run every task once in each round, in a new order each time, and time it.

    The first `warm_up_rounds` are not counted, nor is what runs `before_each` task. The garbage collector rests
    meanwhile: its pauses would hit any task.
    """
    order = list(tasks)
    rng = random.Random(seed)
    rounds_ms: dict[str, list[float]] = {task: [] for task in tasks}
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        for round_number in range(-warm_up_rounds, rounds):
            rng.shuffle(order)
            for task in order:
                before_each()
                start = time.perf_counter_ns()
                tasks[task]()
                elapsed_ms = (time.perf_counter_ns() - start) / 1e6
                if round_number >= 0:
                    rounds_ms[task].append(elapsed_ms)
    finally:
        if was_collecting:
            gc.enable()
    return Timings({task: tuple(samples) for task, samples in rounds_ms.items()})


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread for a while: several would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
