"""Any number of budgets and pairs at once: an integer programme, solved by HiGHS.

One binary per value of each dimension, and one for a dimension that does not reach the member. A pair of dimensions
that some table has terms for gets one continuous variable per pair of their states, y[s, t], with
sum over t of y[s, t] = x[s]  and  sum over s of y[s, t] = x[t]:  with binary x, that is y[s, t] = x[s] x[t] exactly,
and before rounding it is tighter than McCormick's y <= x[s], y <= x[t], y >= x[s] + x[t] - 1, which it implies
(Sherali and Adams, A Hierarchy of Relaxations between the Continuous and Convex Hull Representations, 1990).
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_matrix

from supple.errors import SuppleError
from supple.searching.allocator.compiled_output import output_to_stderr
from supple.searching.allocator.table import Budget, Table
from supple.space import Config, Dimension, Space

MOST_PRODUCTS = 100_000

_INFEASIBLE = 2
# HiGHS calls what is off by 1e-6 right: so costs are scaled until that is a billionth of the largest entry.
_LARGEST_ENTRY = 1e3
_MOST_CUTS = 100

_Variable = tuple[str, int | None]
_Pair = tuple[str, str]
_Row = dict[int, float]


@dataclass(frozen=True)
class Solution:
    """The config that the programme found, and by how much another may be better: 0 unless its time ran out."""

    config: Config
    gap: float


class Programme:
    """The members of a space as an integer programme, ready to minimise one table within budgets of others."""

    def __init__(self, space: Space, pairs: Iterable[_Pair]) -> None:
        self._space = space
        self._columns: dict[_Variable, int] = {}
        for dimension in space.dimensions:
            for state in _states(dimension):
                self._columns[dimension.name, state] = len(self._columns)
        self._products: dict[tuple[_Variable, _Variable], int] = {}
        self._rows: list[tuple[_Row, float, float]] = []
        for dimension in space.dimensions:
            self._add_dimension(dimension)
        self._integers = len(self._columns)
        for first, second in dict.fromkeys(pairs):
            self._add_pair(first, second)

    @property
    def variables(self) -> int:
        """The number of variables: binaries and products."""
        return self._integers + len(self._products)

    def minimise(self, table: Table, budgets: Sequence[Budget], seconds: float) -> Solution | None:
        """Return the config that minimises a table within the budgets, or None where there is none.

        Raises `SuppleError` where none was found in time.
        """
        objective, scale = self._row(table)
        limits = [self._limit(budget) for budget in budgets]
        cuts: list[tuple[_Row, float, float]] = []
        while True:
            result = self._solve(objective, [*limits, *cuts], seconds)
            if result.status == _INFEASIBLE:
                return None
            if result.x is None:
                raise SuppleError(
                    f"No config within the budgets was found in {seconds:g} s ({self.variables:,} variables): give the "
                    f"allocator more time, or leave out pairs."
                )
            config = self._config(result.x)
            if all(budget.holds(config) for budget in budgets):
                return Solution(config, max(float(result.fun - result.mip_dual_bound), 0.0) * scale)
            if len(cuts) == _MOST_CUTS:
                raise SuppleError(
                    f"The budget of {budgets[0].table.name} lies within a billionth of the cost of more than "
                    f"{_MOST_CUTS} configs: set it apart from them."
                )
            # It passes a budget by less than HiGHS can see: leave out this one config, and nothing else.
            cuts.append(self._all_but(config))

    def _add_dimension(self, dimension: Dimension) -> None:
        values: _Row = {self._columns[dimension.name, value]: 1.0 for value in dimension.values}
        if not dimension.conditions:
            self._rows.append((values, 1.0, 1.0))
            return
        self._rows.append((values | {self._columns[dimension.name, None]: 1.0}, 1.0, 1.0))
        # It is reached where every condition holds: at most each of them, at least all of them less all but one.
        all_hold = dict(values)
        for condition in dimension.conditions:
            allowed = [value for value in self._space[condition.parent].values if condition.allows(value)]
            holds = {self._columns[condition.parent, value]: -1.0 for value in allowed}
            self._rows.append((_sum_of(values, holds), -math.inf, 0.0))
            all_hold = _sum_of(all_hold, holds)
        self._rows.append((all_hold, 1.0 - len(dimension.conditions), math.inf))

    def _add_pair(self, first: str, second: str) -> None:
        ones = [(first, state) for state in _states(self._space[first])]
        others = [(second, state) for state in _states(self._space[second])]
        if len(self._products) + len(ones) * len(others) > MOST_PRODUCTS:
            raise SuppleError(
                f"The pairs of dimensions make more than {MOST_PRODUCTS:,} products of values: leave out pairs with "
                "small terms, or values."
            )
        for one, other in itertools.product(ones, others):
            self._products[one, other] = self._integers + len(self._products)
        for one in ones:
            self._rows.append(self._sum_to(one, [(one, other) for other in others]))
        for other in others:
            self._rows.append(self._sum_to(other, [(one, other) for one in ones]))

    def _sum_to(
        self, variable: _Variable, products: Iterable[tuple[_Variable, _Variable]]
    ) -> tuple[_Row, float, float]:
        row = {self._products[product]: 1.0 for product in products}
        return row | {self._columns[variable]: -1.0}, 0.0, 0.0

    def _row(self, table: Table) -> tuple[_Row, float]:
        """Return the scaled row of a table, and what one unit of it is in the table's unit."""
        row: _Row = {}
        for name, entries in table.entries.items():
            row |= {self._columns[name, value]: figure for value, figure in entries.items()}
        for (first, second), terms in table.pairs.items():
            for (one, other), term in terms.items():
                # The same two dimensions may stand in another table, or in this one, the other way round.
                product = (first, one), (second, other)
                column = self._products[product if product in self._products else (product[1], product[0])]
                row[column] = row.get(column, 0.0) + term
        largest = max(map(abs, row.values()), default=0.0)
        scale = largest / _LARGEST_ENTRY if largest else 1.0
        return {column: figure / scale for column, figure in row.items()}, scale

    def _limit(self, budget: Budget) -> tuple[_Row, float, float]:
        row, scale = self._row(budget.table)
        return row, -math.inf, (budget.limit + budget.table.rounding - budget.table.base) / scale

    def _solve(self, objective: _Row, limits: Sequence[tuple[_Row, float, float]], seconds: float) -> OptimizeResult:
        rows = [*self._rows, *limits]
        weights = numpy.zeros(self.variables)
        weights[list(objective)] = list(objective.values())
        is_integer = numpy.zeros(self.variables)
        is_integer[: self._integers] = 1
        matrix = csr_matrix(
            (
                [figure for row, _, _ in rows for figure in row.values()],
                (
                    [number for number, (row, _, _) in enumerate(rows) for _ in row],
                    [column for row, _, _ in rows for column in row],
                ),
            ),
            shape=(len(rows), self.variables),
        )
        with output_to_stderr():
            return milp(
                weights,
                integrality=is_integer,
                bounds=Bounds(0, 1),
                constraints=LinearConstraint(matrix, [low for _, low, _ in rows], [high for _, _, high in rows]),
                options={"mip_rel_gap": 0.0, "time_limit": seconds},
            )

    def _config(self, solution: NDArray[numpy.float64]) -> Config:
        chosen = [variable for variable, column in self._columns.items() if solution[column] > 0.5]
        return self._space.config({name: value for name, value in chosen if value is not None})

    def _all_but(self, config: Mapping[str, int]) -> tuple[_Row, float, float]:
        states = [
            (entry.name, config[entry.name] if self._space.is_active(entry.name, config) else None)
            for entry in self._space.dimensions
        ]
        return {self._columns[state]: 1.0 for state in states}, -math.inf, len(states) - 1.0


def _states(dimension: Dimension) -> list[int | None]:
    return [*dimension.values, *([None] if dimension.conditions else [])]


def _sum_of(row: Mapping[int, float], other: Mapping[int, float]) -> _Row:
    return {column: row.get(column, 0.0) + other.get(column, 0.0) for column in (*row, *other)}


def pairs_of(tables: Iterable[Table]) -> list[_Pair]:
    """Return the pairs of dimensions that the tables have terms for, each once, in either order."""
    known: dict[_Pair, None] = {}
    for first, second in (pair for table in tables for pair in table.pairs):
        if (second, first) not in known:
            known[first, second] = None
    return list(known)
