"""The allocator: of all members within one or several budgets, that of the least loss, exactly; or the whole front.

Sources: Hubara et al., Accurate Post Training Quantization with Small Calibration Sets, 2020, and others split
bits over layers by integer programming from a table of sensitivities; here it is widths, depths, ranks and bits alike.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy

from supple.errors import SuppleError
from supple.searching.allocator.front import Pairs, best_within, nondominated_pairs
from supple.searching.allocator.programme import Programme, pairs_of
from supple.searching.allocator.sums import Sums
from supple.searching.allocator.table import Budget, CostTable, SensitivityTable, Table, require_one_space
from supple.space import Config, Space

SECONDS = 60.0


@dataclass(frozen=True)
class Allocation:
    """The config that the allocator chose, the loss and the costs (by name) that the tables say it has.

    `gap` is a loss by which another config may be better: 0 where this one is proved to be the best.
    """

    config: Config
    loss: float
    costs: dict[str, float] = field(hash=False)
    gap: float = 0.0


def allocate(sensitivity: SensitivityTable, budgets: Sequence[Budget], seconds: float = SECONDS) -> Allocation:
    """Return the config that loses least within all budgets: `allocate(sensitivity, [latency.at_most(5.0)])`.

    Exact. One budget and tables without pairs take a dynamic programme, all else HiGHS, which stops after `seconds`;
    its best config until then has a `gap`. Raises `SuppleError` where no config keeps within the budgets, with
    the smallest cost there is and the config that has it; where two tables belong to different spaces; and where a
    table has more pairs than can be solved.
    """
    config, gap = _least(sensitivity, budgets, seconds)
    return _allocation(sensitivity, [budget.table for budget in budgets], config, gap)


def cheapest(sensitivity: SensitivityTable, cost: CostTable, loss: float, seconds: float = SECONDS) -> Allocation:
    """Return the config of the least cost whose loss, by the table, is at most `loss`; `gap` is in units of the cost.

    Raises `SuppleError` as `allocate` does.
    """
    config, gap = _least(cost, [Budget(sensitivity, loss)], seconds)
    return _allocation(sensitivity, [cost], config, gap)


class AllocationFront(Sequence[Allocation]):
    """All configs that no other beats in loss and cost, the cheapest first; any budget is looked up in no time.

    `gap` is 0 where the front is exact. Where it was too large to hold, it is a loss by which any config may be better
    than the point here that costs no more.
    """

    def __init__(self, sensitivity: SensitivityTable, cost: CostTable, sums: Sums, pairs: Pairs) -> None:
        self._sensitivity = sensitivity
        self._cost = cost
        self._sums = sums
        self._pairs = pairs
        self.gap = pairs.gap
        self.costs = pairs.costs + cost.base
        self.losses = pairs.losses + sensitivity.base

    def __len__(self) -> int:
        return len(self.costs)

    def __getitem__(self, index: int) -> Allocation:  # type: ignore[override]  # A slice would make thousands.
        position = range(len(self))[index]
        config = self._sums.config(self._pairs.values(position))
        return _allocation(self._sensitivity, [self._cost], config, self.gap)

    def within(self, budget: float) -> Allocation:
        """Return the config that loses least at this cost or less. Raises `SuppleError` where there is none."""
        position = int(numpy.searchsorted(self.costs, budget + self._cost.rounding, "right")) - 1
        if position < 0:
            raise _infeasible(self._cost.at_most(budget), self[0].config, ())
        return self[position]

    def evenly(self, count: int) -> Iterator[Allocation]:
        """Yield the best configs of `count` budgets from the smallest cost to the largest, each config once."""
        positions = numpy.searchsorted(self.costs, numpy.linspace(self.costs[0], self.costs[-1], count), "right") - 1
        return (self[int(position)] for position in numpy.unique(positions))


def allocation_front(sensitivity: SensitivityTable, cost: CostTable) -> AllocationFront:
    """Return the front of all members, by tables without pairs. Raises `SuppleError` where a table has pairs."""
    require_one_space([sensitivity, cost])
    for table in (sensitivity, cost):
        if table.pairs:
            raise SuppleError(
                f"The front of all members is for tables without pairs, and that of {table.name} has them: take "
                "allocations at budgets of your choice by sweep_budgets."
            )
    sums = Sums(sensitivity, cost)
    return AllocationFront(sensitivity, cost, sums, nondominated_pairs(sums))


def sweep_budgets(
    sensitivity: SensitivityTable,
    cost: CostTable,
    count: int,
    others: Sequence[Budget] = (),
    seconds: float = SECONDS,
) -> list[Allocation]:
    """Return the best configs of `count` budgets, evenly from the smallest cost to that of the least loss.

    Pairs and `others` (budgets that all keep within) are for here. Each config stands once; `seconds` are for each.
    Raises `SuppleError` as `allocate` does.
    """
    unlimited = [*others, cost.at_most(math.inf)]
    smallest = _least(cost, others, seconds)[0]
    low, high = cost.of(smallest), allocate(sensitivity, unlimited, seconds).costs[cost.name]
    found = [
        allocate(sensitivity, [*others, cost.at_most(float(budget))], seconds)
        for budget in numpy.linspace(low, high, count)
    ]
    return list({allocation.config: allocation for allocation in found}.values())


def _least(table: Table, budgets: Sequence[Budget], seconds: float) -> tuple[Config, float]:
    """Return the config that minimises a table within the budgets, and by how much another may be better."""
    space = require_one_space([table, *(budget.table for budget in budgets)])
    found = _solved(space, table, budgets, seconds)
    if found is None:
        raise _why_infeasible(space, budgets, seconds)
    return found


def _solved(space: Space, table: Table, budgets: Sequence[Budget], seconds: float) -> tuple[Config, float] | None:
    limits = [budget for budget in budgets if budget.limit < math.inf]
    tables = [table, *(budget.table for budget in limits)]
    pairs = pairs_of(tables)
    if pairs or len(limits) > 1:
        solution = Programme(space, pairs).minimise(table, limits, seconds)
        return None if solution is None else (solution.config, solution.gap)
    if not limits:
        sums = Sums(table, table)
        return sums.config(sums.least_cost().values), 0.0
    [limit] = limits
    sums = Sums(table, limit.table)
    best = best_within(sums, limit.limit - limit.table.base + limit.table.rounding)
    return None if best is None else (sums.config(best[0]), best[1])


def _why_infeasible(space: Space, budgets: Sequence[Budget], seconds: float) -> SuppleError:
    """Return the error that names the first budget that cannot be kept within those before it."""
    for number, budget in enumerate(budgets):
        found = _solved(space, budget.table, budgets[:number], seconds)
        if found is not None and not budget.holds(found[0]):
            return _infeasible(budget, found[0], budgets[:number])
    return SuppleError("No member keeps within all budgets.")


def _infeasible(budget: Budget, best: Config, others: Sequence[Budget]) -> SuppleError:
    within = "".join(f" with {other.table.name} <= {other.limit:g}" for other in others)
    name = budget.table.name
    return SuppleError(
        f"No member has {name} <= {budget.limit:g}{within}: the smallest is {budget.table.of(best):g}, of {best}."
    )


def _allocation(sensitivity: SensitivityTable, costs: Sequence[Table], config: Config, gap: float) -> Allocation:
    return Allocation(config, sensitivity.of(config), {table.name: table.of(config) for table in costs}, gap)
