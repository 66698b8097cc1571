"""What a partial choice can still become within a budget: Lagrange's lower bound, by which most of them are dropped.

For any multiplier m >= 0, a member that keeps within the budget B has  loss >= loss + m * (cost - B),  and the
right side without the budget's constraint is a plain minimum (Everett, Generalized Lagrange Multiplier Method, 1963).
"""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from supple.searching.allocator.sums import Best, Sums
from supple.space.walk import State

Floats = NDArray[numpy.float64]

# Beside the best multiplier of the whole problem, for what is left to choose may be another kind of layers.
_AROUND = (0.5, 0.8, 1.0, 1.25, 2.0)


@dataclass(frozen=True)
class Bound:
    """What is known of the members that cost `budget` at most: one of them, and what no other can fall under."""

    budget: float
    known: Best
    lowest: float
    at: tuple[Best, ...]
    cheapest: Best

    def may_improve(self, step: int, state: State, costs: Floats, losses: Floats, best: float) -> NDArray[numpy.bool_]:
        """Say of partial choices that have these sums before a step whether a loss of `best` is still possible."""
        kept = costs + self.cheapest.remaining[step][state] <= self.budget
        for bound in self.at:
            kept &= losses + bound.remaining[step][state] + bound.multiplier * (costs - self.budget) <= best
        return kept


def bound_within(sums: Sums, budget: float) -> Bound | None:
    """Return the bound for a budget (of sums, the base left out), or None where no member keeps within it.

    The best multiplier is found exactly, along the lower convex hull of all members' costs and losses.
    """
    cheapest = sums.least_cost()
    if cheapest.cost > budget:
        return None
    within, beyond = cheapest, sums.least_weighted(0.0)
    if beyond.cost <= budget:
        return Bound(budget, beyond, beyond.loss, (beyond,), cheapest)
    while True:
        multiplier = max((within.loss - beyond.loss) / (beyond.cost - within.cost), 0.0)
        corner = sums.least_weighted(multiplier)
        # Both ends lie on one line of this slope: the hull turns between them, or the line is its edge.
        line = within.loss + multiplier * within.cost
        if corner.loss + multiplier * corner.cost >= line - sums.loss_rounding or corner.values in (
            within.values,
            beyond.values,
        ):
            break
        if corner.cost <= budget:
            within = corner
        else:
            beyond = corner
    at = tuple(sums.least_weighted(factor * multiplier) for factor in _AROUND)
    lowest = max(best.loss + best.multiplier * (best.cost - budget) for best in at)
    return Bound(budget, within, lowest, at, cheapest)
