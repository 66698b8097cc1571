"""The most memory that a member's activations fill, for many configs.

Members with the same blocks have the same graph. It falls into stretches between steps before or after which every
other step must come. Of a stretch that can run in a few orders only, all are looked at, for all configs at once; of
another, the best order is searched for, once for each set of sizes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from supple.cost.graph import FamilyGraph, Piece, refused
from supple.cost.memory_graph import MemoryGraph, Task, memory_graph
from supple.cost.recording import Recording
from supple.cost.scheduling import Schedule, Scheduling, best_schedule
from supple.cost.sizes import Size, product_at
from supple.cost.stretches import Stretch, stretches
from supple.cost.tables import CONFIGS_AT_ONCE, Tables, Term
from supple.space import Config, Kind

REMEMBERED_SKELETONS = 1 << 10
REMEMBERED_SEARCHES = 1 << 16

Bytes = tuple[int, tuple[Size, ...]]
"""The bytes of an activation: a number, times sizes that change. Equal for activations that are always equally large,
whatever the number and the order of their axes."""


class PeakMemory:
    """From configs to the most memory of their members' activations."""

    def __init__(self, graph: FamilyGraph) -> None:
        self._graph = graph
        self._space = graph.family.space
        self._inputs = tuple(operand.value for operand in graph.recording.inputs if operand.value is not None)
        self._makers = {written.value: node for node in graph.nodes for written in node.operator.writes}
        self._sizes = dict(self._sizes_of_activations())
        self._bytes: dict[Bytes, Tables] = {}
        self._skeleton_without = lru_cache(REMEMBERED_SKELETONS)(self._made_without)
        conditions = {block.dimension for blocks in graph.blocks.values() for block in blocks}
        self._deciding = [place for place, entry in enumerate(self._space.dimensions) if entry.name in conditions]
        self._experts = {
            path
            for path, blocks in graph.blocks.items()
            if any(self._space[block.dimension].kind is Kind.EXPERT for block in blocks)
        }

    def __call__(self, positions: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.int64]:
        """Return the bytes for each config; `positions` as `supple.cost.config_arrays.positions_of` gives them."""
        found = np.zeros(count, np.int64)
        for rows in self._rows_by_blocks(positions, count):
            part = [column[rows] for column in positions]
            entries = [(self._space.dimensions[place], part[place][0]) for place in self._deciding]
            skeleton = self._skeleton({entry.name: entry.values[position] for entry, position in entries})
            sizes = {buffer: self._bytes_of(self._sizes[buffer], part, len(rows)) for buffer in skeleton.buffers}
            found[rows] = skeleton.peaks(sizes, len(rows))
        return found

    def check(self) -> None:
        """Raise `SuppleError` where a member that has been run needs another amount than the formulas say."""
        for config, recording in self._graph.checked:
            graph, sizes = recorded_memory_graph(recording)
            found, expected = self.schedule(config), best_schedule(graph, sizes)
            if found.is_exact and expected.is_exact and found.peak != expected.peak:
                raise refused(f"activations fill {expected.peak:,} bytes, not {found.peak:,}", config)

    def is_exact(self, config: Config) -> bool:
        """Say whether the search through the orders of a member came to its end."""
        return self.schedule(config).is_exact

    def schedule(self, config: Config) -> Schedule:
        """Return the order of one member's steps that was found, over its whole graph."""
        skeleton = self._skeleton(config)
        sizes = {}
        for buffer in skeleton.buffers:
            number, changing = self._sizes[buffer]
            sizes[buffer] = number * math.prod(size.of(config) for size in changing)
        return best_schedule(skeleton.graph, sizes)

    def _rows_by_blocks(self, positions: Sequence[NDArray[np.intp]], count: int) -> Iterator[NDArray[np.intp]]:
        """Yield the rows of the configs whose members have the same blocks."""
        if not self._deciding or not count:
            yield from np.split(np.arange(count), range(CONFIGS_AT_ONCE, count, CONFIGS_AT_ONCE)) if count else []
            return
        _, groups = np.unique(np.stack([positions[place] for place in self._deciding]), axis=1, return_inverse=True)
        order = np.argsort(groups, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            yield from np.split(rows, range(CONFIGS_AT_ONCE, len(rows), CONFIGS_AT_ONCE))

    def _bytes_of(self, size: Bytes, positions: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.int64]:
        if size not in self._bytes:
            itemsize, axes = size
            names = frozenset(name for size in axes for name in size.dimensions)
            self._bytes[size] = Tables(self._space, [Term(names, lambda values: product_at(axes, values) * itemsize)])
        return self._bytes[size](positions, count).astype(np.int64)

    def _sizes_of_activations(self) -> Iterator[tuple[int, Bytes]]:
        for operand, piece in zip(self._graph.recording.inputs, self._graph.inputs, strict=True):
            if operand.value is not None:
                yield operand.value, _bytes(piece)
        found: dict[int, Bytes] = {}
        for node in self._graph.nodes:
            for written, piece in zip(node.operator.writes, node.writes, strict=True):
                if written.value is not None:
                    # What is changed in place, maybe in a part, stays as large as it was.
                    found[written.value] = found.get(node.operator.overwrites or 0, _bytes(piece))
        yield from found.items()

    def _skeleton(self, config: Mapping[str, int]) -> "_Skeleton":
        return self._skeleton_without(self._graph.dropped(config))

    def _made_without(self, dropped: frozenset[str]) -> "_Skeleton":
        return _Skeleton(self._graph_without(dropped))

    def _graph_without(self, dropped: frozenset[str]) -> MemoryGraph:
        tasks = []
        for node in self._graph.nodes:
            operator = node.operator
            if operator.adds_option is None and node.blocks.isdisjoint(dropped):
                values = [read.value for read in operator.reads if read.value is not None]
                if operator.copies:
                    values = [value for value in values if not self._is_of_missing_expert(value, dropped)]
                tasks.append(
                    Task(
                        tuple(dict.fromkeys(self._standing_for(value, dropped) for value in values)),
                        tuple(written.value for written in operator.writes if written.value is not None),
                        operator.is_pointwise,
                        None if operator.overwrites is None else self._standing_for(operator.overwrites, dropped),
                    )
                )
        outputs = {self._standing_for(value, dropped) for value in self._graph.recording.outputs}
        return memory_graph(tasks, self._inputs, outputs, self._sizes)

    def _is_of_missing_expert(self, value: int, dropped: frozenset[str]) -> bool:
        maker = self._makers.get(value)
        return maker is not None and not maker.blocks.isdisjoint(dropped & self._experts)

    def _standing_for(self, value: int, dropped: frozenset[str]) -> int:
        """Return the activation that is there in a member: of a block that it lacks, what goes into the block."""
        while (maker := self._makers.get(value)) is not None:
            reads = [read.value for read in maker.operator.reads if read.value is not None]
            if maker.operator.adds_option is not None:
                value = reads[0] if maker.operator.adds_option in dropped else reads[1]
            elif maker.blocks.isdisjoint(dropped) or not reads:
                break
            else:
                value = next((read for read in reads if self._sizes[read] == self._sizes[value]), reads[0])
        return value


def _bytes(piece: Piece) -> Bytes:
    changing = sorted((size for size in piece.sizes if size.effects), key=repr)
    return math.prod(size.full for size in piece.sizes if not size.effects) * piece.itemsize, tuple(changing)


class _Skeleton:
    """The memory of members with the same blocks."""

    def __init__(self, graph: MemoryGraph) -> None:
        self.graph = graph
        self.buffers = sorted({buffer for step in graph.steps for buffer in step.uses} | graph.there)
        self._stretches: tuple[Stretch, ...] = tuple(stretches(graph))
        self._searches = {stretch: Scheduling(stretch.graph) for stretch in self._stretches if stretch.orders is None}
        self._found = lru_cache(REMEMBERED_SEARCHES)(self._search)

    def peaks(self, sizes: Mapping[int, NDArray[np.int64]], count: int) -> NDArray[np.int64]:
        """Return the most memory, (count,), for buffers of these sizes, (count,) each."""
        peaks = np.zeros(count, np.int64)
        sums: dict[frozenset[int], NDArray[np.int64]] = {}
        for stretch in self._stretches:
            if stretch.orders is None:
                np.maximum(peaks, self._searched(stretch, sizes, count), out=peaks)
                continue
            best: NDArray[np.int64] | None = None
            for order in stretch.orders:
                most = np.zeros(count, np.int64)
                for together in order:
                    if together not in sums:
                        sums[together] = sum((sizes[buffer] for buffer in together), np.zeros(count, np.int64))
                    np.maximum(most, sums[together], out=most)
                best = most if best is None else np.minimum(best, most)
            if best is not None:
                np.maximum(peaks, best, out=peaks)
        return peaks

    def _searched(self, stretch: Stretch, sizes: Mapping[int, NDArray[np.int64]], count: int) -> NDArray[np.int64]:
        buffers = sorted({buffer for step in stretch.graph.steps for buffer in step.uses} | stretch.graph.there)
        rows, inverse = np.unique(np.stack([sizes[buffer] for buffer in buffers], axis=1), axis=0, return_inverse=True)
        found = [self._found(stretch, tuple(zip(buffers, row, strict=True))) for row in rows.tolist()]
        return np.asarray(found, np.int64)[inverse.reshape(-1)]

    def _search(self, stretch: Stretch, sizes: tuple[tuple[int, int], ...]) -> int:
        return self._searches[stretch].best(dict(sizes)).peak


def recorded_memory_graph(recording: Recording) -> tuple[MemoryGraph, dict[int, int]]:
    """Return the memory graph of one network that has run, and the bytes of its buffers."""
    sizes = {
        operand.value: int(np.prod(operand.shape, dtype=np.int64)) * operand.itemsize
        for operand in recording.inputs
        if operand.value is not None
    }
    tasks = []
    for operator in recording.whole.operators():
        for written in operator.writes:
            if written.value is not None:
                own = int(np.prod(written.shape, dtype=np.int64)) * written.itemsize
                sizes[written.value] = sizes.get(operator.overwrites or 0, own)
        tasks.append(
            Task(
                tuple(dict.fromkeys(read.value for read in operator.reads if read.value is not None)),
                tuple(written.value for written in operator.writes if written.value is not None),
                operator.is_pointwise,
                operator.overwrites,
            )
        )
    inputs = [operand.value for operand in recording.inputs if operand.value is not None]
    return memory_graph(tasks, inputs, recording.outputs, sizes), sizes
