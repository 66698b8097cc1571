"""Tests of the order of steps that needs the least memory, against a search through all orders."""

import itertools
import random

import pytest

from supple.cost.memory_graph import MemoryGraph, Task, memory_graph
from supple.cost.scheduling import Scheduling, best_schedule


def random_tasks(rng: random.Random, count: int) -> tuple[list[Task], dict[int, int], set[int]]:
    """Return tasks over activations 0 (the input) to `count`, their sizes, and the outputs."""
    tasks = [
        Task(
            tuple(rng.sample(range(number), min(number, rng.randint(1, 3)))),
            (number,),
            is_pointwise=rng.random() < 0.3,
        )
        for number in range(1, count + 1)
    ]
    read = {value for task in tasks for value in task.reads}
    sizes = {number: rng.randint(1, 5) for number in range(count + 1)}
    return tasks, sizes, set(range(1, count + 1)) - read


def peak_of(graph: MemoryGraph, order: tuple[int, ...], sizes: dict[int, int]) -> int | None:
    """Return the most memory of one order, by its definition; None where it does not work."""
    live, peak = set(graph.there), sum(sizes[buffer] for buffer in graph.there)
    for position, place in enumerate(order):
        if not graph.steps[place].after <= set(order[:position]):
            return None
        live |= set(graph.steps[place].makes)
        peak = max(peak, sum(sizes[buffer] for buffer in live))
        used_later = {buffer for later in order[position + 1 :] for buffer in graph.steps[later].uses}
        live = {buffer for buffer in live if buffer in used_later or buffer in graph.kept}
    return peak


@pytest.mark.parametrize("seed", range(30))
def test_no_order_needs_less(seed):
    tasks, sizes, outputs = random_tasks(random.Random(seed), 7)
    graph = memory_graph(tasks, [0], outputs, sizes)
    found = best_schedule(graph, sizes)
    assert Scheduling(graph).best(sizes).peak == found.peak
    peaks = [peak_of(graph, order, sizes) for order in itertools.permutations(range(len(graph.steps)))]
    assert found.is_exact
    assert found.peak == min(peak for peak in peaks if peak is not None)
    assert peak_of(graph, found.order, sizes) == found.peak


@pytest.mark.parametrize("seed", range(10))
def test_beyond_the_limit_the_order_is_a_good_one_and_said_not_to_be_surely_the_best(seed):
    tasks, sizes, outputs = random_tasks(random.Random(seed), 12)
    graph = memory_graph(tasks, [0], outputs, sizes)
    exact, quick = Scheduling(graph).best(sizes), Scheduling(graph).best(sizes, most_states=1)
    assert exact.is_exact
    assert peak_of(graph, quick.order, sizes) == quick.peak
    assert exact.peak <= quick.peak <= (peak_of(graph, tuple(range(len(graph.steps))), sizes) or 0)


def test_a_chain_needs_its_largest_pair_of_neighbours():
    sizes = {0: 3, 1: 10, 2: 4, 3: 8, 4: 1}
    tasks = [Task((number,), (number + 1,)) for number in range(4)]
    assert Scheduling(memory_graph(tasks, [0], [4], sizes)).best(sizes).peak == 14


def test_a_branch_that_leaves_little_comes_first():
    # 0 (10) -> 1 (100) -> 2 (1) and 0 -> 3 (20), which are joined.
    sizes = {0: 10, 1: 100, 2: 1, 3: 20, 4: 5}
    tasks = [Task((0,), (3,)), Task((0,), (1,)), Task((1,), (2,)), Task((2, 3), (4,))]
    found = Scheduling(memory_graph(tasks, [0], [4], sizes)).best(sizes)
    assert (found.order, found.peak) == ((1, 2, 0, 3), 111)


def test_an_operator_element_by_element_takes_the_memory_of_what_nobody_else_reads():
    sizes = {0: 4, 1: 10, 2: 10, 3: 10}
    tasks = [Task((0,), (1,)), Task((1,), (2,), is_pointwise=True), Task((2, 1), (3,))]
    assert Scheduling(memory_graph(tasks[:2], [0], [2], sizes)).best(sizes).peak == 14
    # Here the operand is read once more.
    assert Scheduling(memory_graph(tasks, [0], [3], sizes)).best(sizes).peak == 30


def test_what_is_overwritten_is_read_before():
    sizes = {0: 4, 1: 10, 2: 10, 3: 1, 4: 1}
    tasks = [Task((0,), (1,)), Task((1,), (3,)), Task((1,), (2,), overwrites=1), Task((2, 3), (4,))]
    graph = memory_graph(tasks, [0], [4], sizes)
    assert 1 in graph.steps[2].after
    assert Scheduling(graph).best(sizes).peak == 14


def test_what_nobody_needs_is_left_out():
    sizes = {0: 1, 1: 1, 2: 100}
    graph = memory_graph([Task((0,), (1,)), Task((0,), (2,))], [0], [1], sizes)
    assert len(graph.steps) == 1
