"""The order of a network's steps that needs the least memory at any time.

The memory between two steps depends on which steps are done, not on their order. So the best order is the path over
sets of done steps along which the most memory is least: found by Dijkstra's search, with the greatest memory so far in
the place of a sum.
"""

import heapq
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from supple.cost.memory_graph import MemoryGraph, split

MOST_STATES = 1_000
"""After so many sets of done steps the search gives way to an order that takes the next best step each time."""


@dataclass(frozen=True)
class Schedule:
    """The most memory that an order of the steps needs, that order, and whether none needs less."""

    peak: int
    order: tuple[int, ...]
    is_exact: bool


def best_schedule(graph: MemoryGraph, sizes: Mapping[int, int]) -> Schedule:
    """Return the best order of a whole graph, part by part (`split`)."""
    found = [Scheduling(part).best(sizes) for part in split(graph)]
    starts = itertools.accumulate((len(schedule.order) for schedule in found), initial=0)
    return Schedule(
        max((schedule.peak for schedule in found), default=0),
        tuple(start + step for start, schedule in zip(starts, found, strict=False) for step in schedule.order),
        all(schedule.is_exact for schedule in found),
    )


class Scheduling:
    """Orders of the steps of one graph, for any sizes of its buffers."""

    def __init__(self, graph: MemoryGraph) -> None:
        self._graph = graph
        self._after = [sum(1 << place for place in step.after) for step in graph.steps]
        self._all = (1 << len(graph.steps)) - 1
        # For each buffer the steps that use it; those kept are never free.
        self._users: dict[int, int] = dict.fromkeys(graph.there, 0)
        for place, step in enumerate(graph.steps):
            for buffer in step.uses:
                self._users[buffer] = self._users.get(buffer, 0) | 1 << place

    def best(self, sizes: Mapping[int, int], most_states: int = MOST_STATES) -> Schedule:
        """Return the best order for buffers of these sizes, or a good one where there are too many to look at."""
        return self._search(sizes, most_states) or min(
            (self._in_order(range(len(self._after)), sizes), self._greedy(sizes)), key=lambda schedule: schedule.peak
        )

    def _search(self, sizes: Mapping[int, int], most_states: int) -> Schedule | None:
        count = itertools.count()
        waiting: list[tuple[int, int, int, _State]] = []
        start = sum(sizes[buffer] for buffer in self._graph.there)

        def push(state: _State) -> None:
            state = self._ahead(state, sizes)
            heapq.heappush(waiting, (state.peak, -state.done.bit_count(), next(count), state))

        push(_State(0, start, start, None))
        closed: set[int] = set()
        while len(closed) < most_states:
            state = heapq.heappop(waiting)[-1]
            if state.done == self._all:
                return Schedule(state.peak, state.order(), True)
            if state.done not in closed:
                closed.add(state.done)
                for step in self._ready(state.done):
                    push(self._next(state, step, sizes))
        return None

    def _ahead(self, state: "_State", sizes: Mapping[int, int]) -> "_State":
        """Take every step that can do no harm: that needs no more memory than some step before, and leaves no more.

        Later it would not leave less than now in the place where it is taken.
        """
        taken = True
        while taken:
            taken = False
            for step in self._ready(state.done):
                after = self._next(state, step, sizes)
                if after.peak == state.peak and after.live <= state.live:
                    state, taken = after, True
        return state

    def _ready(self, done: int) -> list[int]:
        return [step for step, after in enumerate(self._after) if not done >> step & 1 and after & ~done == 0]

    def _next(self, state: "_State", step: int, sizes: Mapping[int, int]) -> "_State":
        entry = self._graph.steps[step]
        during = state.live + sum(sizes[buffer] for buffer in entry.makes)
        done = state.done | 1 << step
        freed = (buffer for buffer in entry.uses if buffer not in self._graph.kept and self._users[buffer] & ~done == 0)
        return _State(
            done, during - sum(sizes[buffer] for buffer in freed), max(state.peak, during), (step, state.taken)
        )

    def _in_order(self, order: Iterable[int], sizes: Mapping[int, int]) -> Schedule:
        start = sum(sizes[buffer] for buffer in self._graph.there)
        state = _State(0, start, start, None)
        for step in order:
            state = self._next(state, step, sizes)
        return Schedule(state.peak, state.order(), False)

    def _greedy(self, sizes: Mapping[int, int]) -> Schedule:
        """Take the step that raises the most memory least, each time; of several that which leaves least."""
        start = sum(sizes[buffer] for buffer in self._graph.there)
        state = _State(0, start, start, None)
        while state.done != self._all:
            nexts = [self._next(state, step, sizes) for step in self._ready(state.done)]
            state = min(nexts, key=lambda after: (after.peak, after.live))
        return Schedule(state.peak, state.order(), False)


class _State(NamedTuple):
    """The steps that are done, as bits; the memory in use then, the most so far, and the steps taken, last first."""

    done: int
    live: int
    peak: int
    taken: tuple[int, Any] | None

    def order(self) -> tuple[int, ...]:
        """Return the steps taken, the first first."""
        found: list[int] = []
        taken = self.taken
        while taken is not None:
            found.append(taken[0])
            taken = taken[1]
        return tuple(reversed(found))
