"""The exact front of two sums over dimensions: dynamic programming over the pairs that no other pair dominates.

Source: Nemhauser and Ullmann, Discrete Dynamic Programming and Capital Allocation, 1969. Their lists are here one per
state of the walk, so that dimensions may hang on others, and are cut by a bound where one budget is asked for.
"""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from supple.searching.allocator.bound import Bound, Floats, bound_within
from supple.searching.allocator.sums import Sums
from supple.space.walk import START, State

FRONT_POINTS = 250_000
# With a bound most problems need a few thousand.
BUDGET_POINTS = 50_000
_FIRST_POINTS = 300


@dataclass(frozen=True)
class _Points:
    """Partial choices that end in one state, the cheapest first, and which choice made each of which point before."""

    costs: Floats
    losses: Floats
    source: NDArray[numpy.int32]
    position: NDArray[numpy.int32]
    choice: NDArray[numpy.int32]

    def taken(self, which: NDArray[numpy.bool_] | NDArray[numpy.int64]) -> "_Points":
        return _Points(
            self.costs[which], self.losses[which], self.source[which], self.position[which], self.choice[which]
        )


_Level = dict[State, _Points]


class Pairs:
    """The costs and losses (in ascending and descending order, bases left out) that no member dominates.

    `gap` is 0 where they are exact. Where there were more than fit in memory, some were left out at every step: then
    for every member there is a point that costs no more, and whose loss is higher by `gap` at most.
    """

    def __init__(self, sums: Sums, levels: list[_Level], gap: float) -> None:
        self._sums = sums
        self._levels = levels
        self.gap = gap
        last = levels[-1].get(START)
        self.costs: Floats = numpy.zeros(0) if last is None else last.costs
        self.losses: Floats = numpy.zeros(0) if last is None else last.losses

    def values(self, index: int) -> dict[str, int]:
        """Return the values of the dimensions that reach the member of one point."""
        values: dict[str, int] = {}
        state = START
        for step in reversed(range(len(self._sums.names))):
            points = self._levels[step + 1][state]
            state = list(self._levels[step])[points.source[index]]
            value = self._sums.choices[step][state][points.choice[index]].value
            if value is not None:
                values[self._sums.names[step]] = value
            index = int(points.position[index])
        return values


def nondominated_pairs(sums: Sums) -> Pairs:
    """Return the front of all members; exact where no step has more than `FRONT_POINTS` points."""
    return _pairs(sums, FRONT_POINTS, None, 0.0)


def best_within(sums: Sums, budget: float) -> tuple[dict[str, int], float] | None:
    """Return the values of the member of least loss within a budget (the cheapest of those), and how exact it is.

    That is a loss by which another member may be better: 0 but for problems of more than `BUDGET_POINTS` points at one
    step.
    None where no member keeps within the budget.
    """
    bound = bound_within(sums, budget)
    if bound is None:
        return None
    best, values, gap = bound.known.loss, dict(bound.known.values), 0.0
    # A first pass over few points finds a member so good that the second, exact one has little left to look at.
    for most in (_FIRST_POINTS, BUDGET_POINTS):
        pairs = _pairs(sums, most, bound, best + sums.loss_rounding)
        if len(pairs.losses) and pairs.losses[-1] <= best + sums.loss_rounding:
            best, values = float(pairs.losses[-1]), pairs.values(len(pairs.losses) - 1)
        gap = min(pairs.gap, max(best - bound.lowest, 0.0))
        if pairs.gap == 0:
            break
    return values, gap


def _pairs(sums: Sums, most: int, bound: Bound | None, best: float) -> Pairs:
    nothing = numpy.zeros(1, numpy.int32)
    levels: list[_Level] = [{START: _Points(numpy.zeros(1), numpy.zeros(1), nothing, nothing, nothing)}]
    gap = 0.0
    for step in range(len(sums.names)):
        level = _after(sums, step, levels[-1], bound, best)
        width = _width_to_fit(level, most)
        if width:
            level = {state: _thinned(points, width) for state, points in level.items()}
            gap += width
        levels.append(level)
    return Pairs(sums, levels, gap)


def _after(sums: Sums, step: int, level: _Level, bound: Bound | None, best: float) -> _Level:
    """Take one dimension more: every choice from every point, and of what results what no other dominates."""
    made: dict[State, list[_Points]] = {}
    for number, (state, points) in enumerate(level.items()):
        positions = numpy.arange(len(points.costs), dtype=numpy.int32)
        for index, choice in enumerate(sums.choices[step][state]):
            grown = _Points(
                points.costs + choice.cost,
                points.losses + choice.loss,
                numpy.full_like(positions, number),
                positions,
                numpy.full_like(positions, index),
            )
            if bound is not None:
                grown = grown.taken(bound.may_improve(step + 1, choice.after, grown.costs, grown.losses, best))
            if len(grown.costs):
                made.setdefault(choice.after, []).append(grown)
    return {after: _undominated(parts, sums.loss_rounding) for after, parts in made.items()}


def _undominated(parts: list[_Points], rounding: float) -> _Points:
    costs = numpy.concatenate([part.costs for part in parts])
    losses = numpy.concatenate([part.losses for part in parts])
    # Sums of the same numbers in another order are one sum: else they would multiply with every step.
    rounded = numpy.rint(losses / rounding) if rounding else losses
    order = numpy.lexsort((rounded, costs))
    lowest = numpy.minimum.accumulate(rounded[order])
    better = numpy.concatenate(([True], rounded[order[1:]] < lowest[:-1]))
    kept = order[better]
    return _Points(
        costs[kept],
        losses[kept],
        numpy.concatenate([part.source for part in parts])[kept],
        numpy.concatenate([part.position for part in parts])[kept],
        numpy.concatenate([part.choice for part in parts])[kept],
    )


def _width_to_fit(level: _Level, most: int) -> float:
    """Return the width of slices of loss, one point in each of which makes a level fit; 0 where it fits."""
    if sum(len(points.costs) for points in level.values()) <= most:
        return 0.0
    # A slice more per state than ranges divided by width, for where it begins.
    ranges = sum(float(points.losses[0] - points.losses[-1]) for points in level.values())
    return ranges / max(most // 2 - len(level), 1)


def _thinned(points: _Points, width: float) -> _Points:
    """Keep the cheapest point of each slice of losses: those that it stands for are better by less than `width`."""
    slices = numpy.floor((points.losses - points.losses[-1]) / width)
    return points.taken(numpy.concatenate(([True], slices[1:] != slices[:-1])))
