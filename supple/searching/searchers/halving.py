"""Successive halving: many members are looked at on little data, and few are evaluated on all.

Sources: Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, 2016; Li et
al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, 2018. There it is training that is cut
short; here the weights are trained already, and it is the data that members are judged on.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from supple.cost.config_arrays import configs_of
from supple.errors import SuppleError
from supple.searching.breeding import Breeder
from supple.searching.evaluation import Outcome
from supple.searching.history import History
from supple.searching.problem import Floats, Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.aging import places_of
from supple.searching.searchers.ends import ENDS
from supple.searching.wishes import Direction
from supple.space import Config

if TYPE_CHECKING:
    from supple.searching.looks import EvaluationSize

_DRAWN_FOR_EACH = 2
_WORST = 1e300


class HalvingConfig(SearcherConfig):
    """How many members are looked at, and on how much of the validation data.

    With 64 candidates, a reduction of 4 and 2 rungs, 64 members are judged on a sixteenth of the data, the best 16 of
    them on a quarter, and the best 4 of those are evaluated. Every rung takes as much time as these evaluations.
    """

    kind: Literal["halving"] = "halving"
    candidates: int = Field(default=16, ge=2, description="members that are looked at in each round")
    reduction: int = Field(
        default=4, ge=2, description="of so many members one stays, to be judged on as many times more"
    )
    rungs: int = Field(default=1, ge=1, description="how many times members are looked at before they are evaluated")

    @model_validator(mode="after")
    def _refuse_rounds_without_survivors(self) -> "HalvingConfig":
        if self.survivors < 1:
            raise ValueError(
                f"of {self.candidates} candidates none is left when {self.rungs} rungs keep one of {self.reduction}: "
                f"begin with {self.reduction**self.rungs} or more"
            )
        return self

    @property
    def survivors(self) -> int:
        """How many members of a round are evaluated."""
        return int(self.candidates // self.reduction**self.rungs)


class Halving(Searcher):
    """Draws candidates, random ones and offspring of the front, and proposes those that stay the best of them.

    They are ranked by dominance among themselves: by their quality on a part of the validation data, and by all figures
    that are known; where a cost must be measured, what `Problem.cost_proxy` knows stands for it. Each round takes
    another part. Looks are made again after a restart, and count in the budget, a round's from its first member on.
    """

    def __init__(self, problem: Problem, seed: int, config: HalvingConfig = HalvingConfig()) -> None:
        """Raise `SuppleError` where the members are no networks, or where their quality is not wanted."""
        super().__init__(problem, seed)
        self._networks = problem.networks_for('The searcher "halving" judges networks on a part of the data')
        self.config = config
        self.together = config.survivors
        self._metric = self._networks.metric
        wanted = {entry.figure for entry in problem.objectives} | {entry.figure for entry in problem.constraints}
        if self._metric not in wanted:
            raise SuppleError(
                f'The searcher "halving" looks at the {self._metric} of members, which is neither an objective nor '
                'constrained: take another searcher, as "nsga2".'
            )
        self._breeder = Breeder(problem.space)
        self._cost = problem.cost_proxy()
        self._survivors: dict[tuple[int, tuple[Outcome, ...]], list[Config]] = {}

    def propose(self, history: History) -> Config:
        """Return the next survivor of the round that has no outcome yet."""
        number, turn = divmod(max(self.number(history) - ENDS, 0), self.config.survivors)
        before = _first(history, ENDS + number * self.config.survivors)
        key = (number, before.outcomes)
        if key not in self._survivors:
            self._survivors = {key: self._round(number, before)}
        survivors = self._survivors[key]
        for config in (*survivors[turn:], *survivors[:turn]):
            if config not in history.seen:
                return config
        return self.random_new(history, self.rng(history))

    def spent(self, history: History) -> float:
        """Return what the looks of all rounds took that have begun."""
        rounds = -(-max(history.told - ENDS, 0) // self.config.survivors)
        return sum(
            count * self._size.share(self._size.part(stride, number))
            for number in range(rounds)
            for count, stride in self._rungs()
        )

    def _rungs(self) -> list[tuple[int, int]]:
        """Return for each rung how many members are looked at, and at how small a part of the data."""
        count, reduction, rungs = self.config.candidates, self.config.reduction, self.config.rungs
        return [(count // reduction**rung, reduction ** (rungs - rung)) for rung in range(rungs)]

    def _round(self, number: int, history: History) -> list[Config]:
        from supple.searching.looks import look

        left = self._candidates(number, history)
        for _, stride in self._rungs():
            part = self._size.part(stride, number)
            qualities = np.array(look(self._networks, left, part), float)
            left = self._best(left, qualities, max(len(left) // self.config.reduction, 1)) if left else left
        return left

    def _candidates(self, number: int, history: History) -> list[Config]:
        """Draw members that have no outcome yet; those that break known constraints come last."""
        rng = np.random.default_rng([self.seed, number])
        count = _DRAWN_FOR_EACH * self.config.candidates
        drawn = self._breeder.random(count, rng)
        if history.front:
            parents = self.problem.values(entry.config for entry in history.front)
            children = self._breeder.children(parents, count, rng)
            # In turn one of each.
            drawn = np.stack([drawn, children], axis=1).reshape(2 * count, -1)
        order = np.argsort(self.problem.known_excess(drawn), kind="stable")
        distinct = dict.fromkeys(configs_of(self.space, drawn[order]))
        return [config for config in distinct if config not in history.seen][: self.config.candidates]

    def _best(self, configs: list[Config], qualities: NDArray[np.float64], count: int) -> list[Config]:
        losses, excess = self._judged(configs, qualities)
        places = places_of(losses, excess)
        return [configs[index] for index in np.argsort(places, kind="stable")[:count]]

    def _judged(self, configs: list[Config], qualities: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """Return losses, (members, columns), and by how much constraints are broken, as far as a look tells both."""
        values = self.problem.values(configs)
        figures = self.problem.known_figures(values) | {self._metric: qualities}
        columns = []
        for entry in self.problem.objectives:
            if entry.figure in figures:
                columns.append(np.array([entry.loss(value) for value in figures[entry.figure]]))
        is_measured = any(
            entry.figure not in figures and entry.direction is Direction.MINIMIZE for entry in self.problem.objectives
        )
        if is_measured and self._cost is not None:
            columns.append(np.array([self._cost(config) for config in configs]))
        excess = np.zeros(len(configs))
        for constraint in self.problem.constraints:
            if constraint.figure in figures:
                excess += np.array([constraint.excess(value) for value in figures[constraint.figure]])
        losses = np.stack(columns, axis=1) if columns else np.zeros((len(configs), 1))
        return np.nan_to_num(losses, nan=_WORST, posinf=_WORST, neginf=-_WORST), np.nan_to_num(excess, nan=_WORST)

    @cached_property
    def _size(self) -> "EvaluationSize":
        from supple.searching.looks import EvaluationSize

        return EvaluationSize.of(self._networks)


def _first(history: History, count: int) -> History:
    """Return the history as it was after so many trials, or as it is where there are fewer."""
    outcomes = {entry.config: entry for entry in history.outcomes}
    return History(history.problem, [outcomes[config] for config in history.told_configs[:count]])
