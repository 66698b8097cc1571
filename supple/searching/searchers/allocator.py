"""The allocator as a searcher: it measures what each choice alone costs and loses, then proposes exact allocations.

First comes every member that differs from the full network in one choice: tables of sensitivities and of costs. Then
come the members that the tables say lose least within budgets from the smallest to the largest; or, with a tolerance,
the cheapest that loses no more than that, confirmed by what is measured of it.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from supple.errors import SuppleError
from supple.searching.allocator import (
    Allocation,
    Budget,
    CostTable,
    Measured,
    SensitivityTable,
    allocation_front,
    check_additivity,
    measure_costs,
    measure_sensitivity,
    sweep_budgets,
    within_tolerance,
)
from supple.searching.allocator.additivity import FEWEST_MEASURED
from supple.searching.evaluation import Outcome
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.stratified import StratifiedConfig, StratifiedMembers
from supple.searching.wishes import Constraint, Direction, Objective, Sense
from supple.space import Config

_FEWEST_BUDGETS, _MOST_BUDGETS = 8, 4096
_BUDGETS_WITH_LIMITS = 12
_SECONDS = 5.0


class AllocatorConfig(SearcherConfig):
    """What of the front is wanted: all of it, or the cheapest member within a tolerance."""

    kind: Literal["allocator"] = "allocator"
    tolerance: float | None = Field(
        default=None, ge=0, description="how much worse than the full network a member may be, as 0.005 of accuracy"
    )
    round: int = Field(default=8, ge=1, description="members that are evaluated between two looks at the results")


class Allocator(Searcher):
    """Goes through its algorithm with the figures that the history holds, and proposes the first that it lacks.

    The loss is the first objective that must be evaluated, the cost the first other one that is to be minimised; limits
    on further figures are budgets of their own. Where sums of single losses rank what was measured badly, terms for
    pairs are fitted. Raises `SuppleError` where there is no such loss or cost.
    """

    def __init__(self, problem: Problem, seed: int, config: AllocatorConfig = AllocatorConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config
        # Each step towards a tolerance depends on what came of the one before.
        self.together = config.round if config.tolerance is None else 1
        self.loss, self.cost = _loss_and_cost(problem)
        # While the results of a round are awaited there is nothing to go on: random members test additivity then.
        self._meanwhile = StratifiedMembers(problem, seed, StratifiedConfig())
        self._known: tuple[tuple[Outcome, ...], list[Config]] | None = None

    @property
    def least(self) -> int:
        """The number of members that its tables take."""
        probe = _Probe(History(self.problem, ()))
        self._tables(probe)
        return len(probe.missing)

    def finished(self, history: History) -> bool:
        """Say whether the cheapest member within the tolerance has been confirmed."""
        return self.config.tolerance is not None and not self._missing(history)

    def propose(self, history: History) -> Config:
        """Return the next member whose figures the algorithm asks for."""
        for config in self._missing(history):
            if config not in history.seen:
                return config
        return self._meanwhile.propose(history)

    def remarks(self, history: History) -> tuple[str, ...]:
        """Say whether sums of single losses rank the members that were evaluated."""
        probe = _Probe(history)
        sensitivity, _ = self._tables(probe)
        joint = self._joint(history)
        return () if probe.missing or len(joint) < FEWEST_MEASURED else (str(check_additivity(sensitivity, joint)),)

    def _missing(self, history: History) -> list[Config]:
        """Return the members that the algorithm asks for after the finished trials."""
        if self._known is None or self._known[0] != history.outcomes:
            probe = _Probe(history)
            sensitivity, cost = self._tables(probe)
            if not probe.missing:
                if self.config.tolerance is None:
                    self._sweep(history, sensitivity, cost, probe)
                else:
                    self._confirm(sensitivity, cost, self.config.tolerance, probe)
            self._known = history.outcomes, list(probe.missing)
        return self._known[1]

    def _tables(self, probe: "_Probe") -> tuple[SensitivityTable, CostTable]:
        sensitivity = measure_sensitivity(self.space, lambda config: probe.loss(self.loss, config))
        return sensitivity, measure_costs(self.space, self.cost.figure, lambda config: probe.loss(self.cost, config))

    def _confirm(self, sensitivity: SensitivityTable, cost: CostTable, tolerance: float, probe: "_Probe") -> None:
        try:
            within_tolerance(sensitivity, cost, tolerance, lambda config: probe.needed(self.loss, config))
        except _MissingError:
            return

    def _sweep(self, history: History, sensitivity: SensitivityTable, cost: CostTable, probe: "_Probe") -> None:
        """Ask for allocations at more and more budgets, until as many are new as a round holds."""
        joint = self._joint(history)
        if len(joint) >= FEWEST_MEASURED:
            sensitivity = check_additivity(sensitivity, joint).sensitivity
        limits = [self._budget(entry, probe) for entry in self.problem.constraints]
        for allocation in _allocations(sensitivity, cost, limits):
            if allocation.config not in history.seen:
                probe.missing.setdefault(allocation.config)
            if len(probe.missing) == self.config.round:
                return

    def _joint(self, history: History) -> list[Measured]:
        """Return the losses of members that differ from the full network in several choices."""
        return [
            Measured(entry.config, self.loss.loss(entry.figures[self.loss.figure]))
            for entry in history.evaluations
            if _changes(self.space.max(), entry.config) > 1
        ]

    def _budget(self, constraint: Constraint, probe: "_Probe") -> Budget:
        direction = Direction.MINIMIZE if constraint.sense is Sense.AT_MOST else Direction.MAXIMIZE
        figure = Objective(constraint.figure, direction)
        table = measure_costs(self.space, constraint.figure, lambda config: probe.loss(figure, config))
        return Budget(table, figure.loss(constraint.limit))


class _MissingError(Exception):
    """The algorithm cannot go on before a member is evaluated."""


class _Probe:
    """Answers an algorithm's questions from a history, and notes what it cannot answer."""

    def __init__(self, history: History) -> None:
        self._problem = history.problem
        self._figures = {entry.config: entry.figures for entry in history.evaluations}
        self._failed = frozenset(entry.config for entry in history.outcomes) - self._figures.keys()
        self.missing: dict[Config, None] = {}

    def loss(self, objective: Objective, config: Config) -> float:
        """Return a figure as a loss; 0, for now, where it is not known yet; the full network's where it never will."""
        config = self._problem.space.max() if config in self._failed else config
        if config not in self._figures:
            self.missing.setdefault(config)
            return 0.0
        return objective.loss(self._figures[config][objective.figure])

    def needed(self, objective: Objective, config: Config) -> float:
        """Return a figure as a loss; infinite where it cannot be had. Raises where it is not known yet."""
        if config in self._failed:
            return float("inf")
        if config not in self._figures:
            self.missing.setdefault(config)
            raise _MissingError
        return objective.loss(self._figures[config][objective.figure])


def _allocations(sensitivity: SensitivityTable, cost: CostTable, limits: list[Budget]) -> Iterator[Allocation]:
    """Yield the best configs of more and more budgets; within further limits or with pairs, of a few."""
    if limits or sensitivity.pairs:
        yield from sweep_budgets(sensitivity, cost, _BUDGETS_WITH_LIMITS, limits, _SECONDS)
        return
    front = allocation_front(sensitivity, cost)
    count = _FEWEST_BUDGETS
    while count <= _MOST_BUDGETS:
        yield from front.evenly(count)
        count *= 2


def _loss_and_cost(problem: Problem) -> tuple[Objective, Objective]:
    loss = next(iter(problem.measured_objectives), None)
    costs = [entry for entry in problem.objectives if entry.direction is Direction.MINIMIZE and entry != loss]
    if loss is None or not costs:
        named = ", ".join(map(str, problem.objectives))
        raise SuppleError(
            f"The allocator weighs one objective that is evaluated, such as accuracy, against a cost; it got {named}."
        )
    return loss, costs[0]


def _changes(full: Config, config: Config) -> int:
    return sum(config[name] != value for name, value in full.items())
