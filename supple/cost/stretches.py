"""A memory graph in stretches: between steps that every other step must come before or after."""

from collections.abc import Iterator
from dataclasses import dataclass

from supple.cost.memory_graph import MemoryGraph, split

MOST_ORDERS = 64
"""A stretch that can run in more orders than that is searched for each set of sizes."""

Moments = tuple[frozenset[int], ...]
"""The buffers that are in use together, at each moment of an order; those within another are left out."""


@dataclass(frozen=True)
class Stretch:
    """Some steps as a graph of their own, with what is in use before and after; all orders, where those are few."""

    graph: MemoryGraph
    orders: tuple[Moments, ...] | None


def stretches(graph: MemoryGraph) -> Iterator[Stretch]:
    """Yield the stretches of a graph, in order: no order of the whole mixes the steps of two."""
    for part in split(graph):
        yield Stretch(part, _orders(part))


def _orders(graph: MemoryGraph) -> tuple[Moments, ...] | None:
    """Return what is in use together in every order that may be the best; None where those are many."""
    found: list[set[frozenset[int]]] = []
    steps = graph.steps

    def visit(done: frozenset[int], live: frozenset[int], moments: set[frozenset[int]]) -> bool:
        done, live, moments = _ahead(graph, done, live, moments)
        if len(done) == len(steps):
            found.append(moments)
            return len(found) <= MOST_ORDERS
        return all(
            visit(done | {place}, _afterwards(graph, done | {place}, during), moments | {during})
            for place in _ready(graph, done)
            for during in [live | set(steps[place].makes)]
        )

    if not visit(frozenset(), graph.there, set()):
        return None
    orders = [tuple(sorted(_largest(moments), key=sorted)) for moments in found]
    return tuple(
        order
        for place, order in enumerate(orders)
        if not any(
            _never_more(other, order) and (not _never_more(order, other) or earlier < place)
            for earlier, other in enumerate(orders)
            if earlier != place
        )
    )


def _ready(graph: MemoryGraph, done: frozenset[int]) -> list[int]:
    return [place for place, step in enumerate(graph.steps) if place not in done and step.after <= done]


def _afterwards(graph: MemoryGraph, done: frozenset[int], during: frozenset[int]) -> frozenset[int]:
    used_later = {buffer for place, step in enumerate(graph.steps) if place not in done for buffer in step.uses}
    return during & (used_later | graph.kept)


def _ahead(
    graph: MemoryGraph, done: frozenset[int], live: frozenset[int], moments: set[frozenset[int]]
) -> tuple[frozenset[int], frozenset[int], set[frozenset[int]]]:
    """Take the steps that can do no harm, as the search for the best order does, whatever the sizes are."""
    taken = True
    while taken:
        taken = False
        for place in _ready(graph, done):
            during = live | set(graph.steps[place].makes)
            afterwards = _afterwards(graph, done | {place}, during)
            if afterwards <= live and any(during <= moment for moment in moments):
                done, live, taken = done | {place}, afterwards, True
    return done, live, moments


def _largest(moments: set[frozenset[int]]) -> set[frozenset[int]]:
    return {moment for moment in moments if not any(moment < other for other in moments)}


def _never_more(one: Moments, other: Moments) -> bool:
    """Say whether the first order never needs more than the second, whatever the sizes are."""
    return all(any(moment <= larger for larger in other) for moment in one)
