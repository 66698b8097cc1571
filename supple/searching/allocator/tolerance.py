"""The allocator alone: the cheapest member whose measured loss stays within a tolerance, in a few evaluations."""

import math
from dataclasses import dataclass

from supple.errors import SuppleError
from supple.progress import Progress, Silent
from supple.searching.allocator.allocate import SECONDS, Allocation, allocate, cheapest
from supple.searching.allocator.measuring import Figure, Measured
from supple.searching.allocator.table import CostTable, SensitivityTable

EVALUATIONS = 10

# Some rounds find a config that is measured already.
_ROUNDS_PER_EVALUATION = 3
_CLOSE_ENOUGH = 0.01


@dataclass(frozen=True)
class Confirmed:
    """The allocation that a search by tolerance ends with, its measured loss, and all that was measured on the way."""

    allocation: Allocation
    loss: float
    evaluations: tuple[Measured, ...]


def within_tolerance(
    sensitivity: SensitivityTable,
    cost: CostTable,
    tolerance: float,
    evaluate: Figure,
    evaluations: int = EVALUATIONS,
    seconds: float = SECONDS,
    progress: Progress = Silent(),
) -> Confirmed:
    """Return the cheapest config found whose *measured* loss is at most `sensitivity.base + tolerance`.

    The allocator finds the cheapest config of a predicted loss, `evaluate` measures it, and the predicted loss that is
    asked for is moved, in proportion to what was measured and halfway in turn, until it is known to a hundredth or
    `evaluations` are used up. Where none stays within the tolerance, it is the full network, whose loss is the table's
    base. A measured loss that is not finite is over any tolerance. Raises `SuppleError` for a tolerance below 0, fewer
    than one evaluation, and as `allocate` does.
    """
    if not 0 <= tolerance < math.inf:
        raise SuppleError(f"A tolerance is an increase of the loss of 0 or more, not {tolerance}.")
    if evaluations < 1:
        raise SuppleError(f"The allocator confirms by 1 evaluation or more, not {evaluations}.")
    full = sensitivity.space.max()
    chosen = Allocation(full, sensitivity.of(full), {cost.name: cost.of(full)})
    measured = {full: sensitivity.base}
    spent: list[Measured] = []
    # Predicted increases of the loss: all asked for up to `low` are kept, all from `high` on are not.
    low = min(allocate(sensitivity, [], seconds).loss - sensitivity.base, 0.0)
    high = max(cheapest(sensitivity, cost, math.inf, seconds).loss - sensitivity.base, 0.0)
    asked = min(tolerance, high)
    progress.start("allocation", evaluations, "members")
    for number in range(_ROUNDS_PER_EVALUATION * evaluations):
        allocation = cheapest(sensitivity, cost, sensitivity.base + asked, seconds)
        if allocation.config not in measured:
            if len(spent) == evaluations:
                break
            measured[allocation.config] = float(evaluate(allocation.config))
            spent.append(Measured(allocation.config, measured[allocation.config]))
            progress.advance(1, loss=measured[allocation.config])
        increase = measured[allocation.config] - sensitivity.base
        if increase <= tolerance:
            if allocation.costs[cost.name] < chosen.costs[cost.name]:
                chosen = allocation
            low = asked
        else:
            high = allocation.loss - sensitivity.base
        if high - low <= _CLOSE_ENOUGH * abs(high) or (1 - _CLOSE_ENOUGH) * tolerance <= increase <= tolerance:
            break
        # In proportion to what was measured at first: halving closes in where that does not.
        in_proportion = asked * tolerance / increase if number % 2 == 0 and 0 < increase < math.inf else math.nan
        asked = in_proportion if low < in_proportion < high else (low + high) / 2
    progress.finish()
    return Confirmed(chosen, measured[chosen.config], tuple(spent))
