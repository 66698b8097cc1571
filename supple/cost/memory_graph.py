"""The steps of a network that fill and free memory: which buffers each makes and uses, and what must come before it."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """An operator as it stands in one member: the numbers of the activations that it reads and writes.

    See `supple.cost.recording.Operator` for the rest.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    is_pointwise: bool = False
    overwrites: int | None = None


@dataclass(frozen=True)
class Step:
    """One step: the buffers that it needs new memory for, all that it uses, and the steps that must come before."""

    makes: tuple[int, ...]
    uses: frozenset[int]
    after: frozenset[int]


@dataclass(frozen=True)
class MemoryGraph:
    """Steps in an order that works; `there` are the buffers of the inputs, `kept` those that outlast the last step.

    A buffer is free again after the last step that uses it.
    """

    steps: tuple[Step, ...]
    there: frozenset[int]
    kept: frozenset[int]


def memory_graph(
    tasks: Sequence[Task], inputs: Iterable[int], outputs: Iterable[int], sizes: Mapping[int, Hashable]
) -> MemoryGraph:
    """Return the steps of tasks that are in an order that works; a buffer has the number of its first activation.

    Tasks whose results nobody needs are left out. One that works element by element writes where an operand of the same
    size lay, if nobody else reads that. `sizes` of activations are anything that is equal where they are always equal.
    """
    kept, there = frozenset(outputs), frozenset(inputs)
    needed = _needed(tasks, kept)
    readers: dict[int, list[int]] = {}
    for place, task in enumerate(needed):
        for value in dict.fromkeys(task.reads):
            readers.setdefault(value, []).append(place)
    buffers = {value: value for value in there}
    makers: dict[int, int] = {}
    steps = []
    for place, task in enumerate(needed):
        after = {makers[value] for value in task.reads if value in makers}
        target = _overwritten(task, readers, kept | there, sizes, buffers)
        if task.overwrites is not None:
            # Whoever reads what is overwritten comes first.
            after |= {reader for reader in readers.get(task.overwrites, ()) if reader < place}
        makes = []
        for value in task.writes:
            buffers[value] = value if target is None else buffers[target]
            if target is None:
                makes.append(value)
            makers[value] = place
        uses = {buffers[value] for value in (*task.reads, *task.writes) if value in buffers}
        steps.append(Step(tuple(makes), frozenset(uses), frozenset(after)))
    used = frozenset().union(*(step.uses for step in steps)) if steps else frozenset()
    kept_buffers = frozenset(buffers[value] for value in kept if value in buffers)
    return MemoryGraph(tuple(steps), there & (used | kept_buffers), kept_buffers)


def split(graph: MemoryGraph) -> Iterator[MemoryGraph]:
    """Yield parts of a graph, in order, each up to a step that all others come before or after.

    No order of the whole mixes the steps of two parts. What is in use between them is `kept` by the one and `there` in
    the other.
    """
    live = set(graph.there)
    start = 0
    for end in _ends(graph):
        steps = graph.steps[start:end]
        used_later = {buffer for step in graph.steps[end:] for buffer in step.uses} | graph.kept
        there = frozenset(live)
        live |= {buffer for step in steps for buffer in step.makes}
        live &= used_later
        moved = tuple(
            Step(step.makes, step.uses, frozenset(place - start for place in step.after if place >= start))
            for step in steps
        )
        yield MemoryGraph(moved, there, frozenset(live))
        start = end


def _ends(graph: MemoryGraph) -> Iterator[int]:
    """Yield the number of steps up to each step that all before it come before, and all behind it after."""
    count = len(graph.steps)
    before = [0] * count
    for place, step in enumerate(graph.steps):
        for earlier in step.after:
            before[place] |= before[earlier] | 1 << earlier
    for place in range(count):
        others = (1 << place) - 1
        if place == count - 1 or (
            before[place] == others and all(before[later] >> place & 1 for later in range(place + 1, count))
        ):
            yield place + 1


def _needed(tasks: Sequence[Task], outputs: frozenset[int]) -> list[Task]:
    wanted = set(outputs)
    found = []
    for task in reversed(tasks):
        if not wanted.isdisjoint(task.writes):
            wanted.update(task.reads)
            found.append(task)
    return found[::-1]


def _overwritten(
    task: Task,
    readers: Mapping[int, Sequence[int]],
    protected: frozenset[int],
    sizes: Mapping[int, Hashable],
    buffers: Mapping[int, int],
) -> int | None:
    """Return the activation in whose memory a task writes, None where it needs memory of its own."""
    if task.overwrites in buffers:
        return task.overwrites
    if not task.is_pointwise or len(task.writes) != 1:
        return None
    return next(
        (
            value
            for value in task.reads
            if value in buffers
            and value not in protected
            and len(readers[value]) == 1
            and sizes[value] == sizes[task.writes[0]]
        ),
        None,
    )
