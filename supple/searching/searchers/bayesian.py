"""Bayesian search: the member that can be expected to add most to the hypervolume of fronts, by Gaussian processes.

With several costs, each has a front of its own: the improvement is that of accuracy and latency on one device, and of
accuracy and latency on another, and so on, in the mean. Members that are best at nothing but a mixture of all costs,
of which there are very many, are not looked for.

Source: Emmerich, Giannakoglou and Naujoks, Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian
Random Field Metamodels, 2006. Known costs are taken as they are, and tell the process about everything else.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from supple.searching.acquisition import expected_improvement
from supple.searching.breeding import Breeder, without
from supple.searching.evaluation import Outcome
from supple.searching.history import History
from supple.searching.predicting import predictor_remarks
from supple.searching.predictors.gaussian_process import GaussianProcess
from supple.searching.problem import Floats, Problem, Values
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.stratified import StratifiedConfig, StratifiedMembers
from supple.searching.surrogate import Surrogate, starting_points
from supple.searching.wishes import Direction
from supple.space import Config, Kind


class BayesianConfig(SearcherConfig):
    """How a process begins, and how many members are looked at for each proposal."""

    kind: Literal["bayesian"] = "bayesian"
    initial: int = Field(default=6, ge=1, description="random members, evenly over cost, before a process is fitted")
    population: int = Field(
        default=200, ge=2, description="members alive where large spaces are evolved on predictions"
    )
    generations: int = Field(default=8, ge=1, description="generations of that evolution, for each proposal")


class Bayesian(Searcher):
    """Fits a process to each uncertain figure, and proposes the member of the largest expected improvement.

    All members of a space of up to 20,000 are looked at; in larger ones those that evolution on the predictions finds.
    """

    together = 4

    def __init__(self, problem: Problem, seed: int, config: BayesianConfig = BayesianConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config
        self._beginning = StratifiedMembers(problem, seed, StratifiedConfig(strata=config.initial))
        self._breeder = Breeder(problem.space)
        self._processes = _processes(problem)
        self._fitted: tuple[tuple[Outcome, ...], Surrogate] | None = None

    def propose(self, history: History) -> Config:
        """Return the member of the largest expected improvement that has no outcome yet."""
        if self.number(history) < self.config.initial + 2 or len(history.evaluations) < 2:
            return self._beginning.propose(history)
        rng = np.random.default_rng(self.integer_seed(history))
        surrogate = self._surrogate(history)
        if history.pending:
            surrogate = Surrogate(history, self._breeder, self._processes, surrogate)
        candidates = self._candidates(history, surrogate, rng)
        if not len(candidates):
            return self.random_new(history, self.rng(history))
        best = candidates[self._best(history, surrogate, candidates)]
        return self.space.config(
            {entry.name: int(value) for entry, value in zip(self.space.dimensions, best, strict=True)}
        )

    def remarks(self, history: History) -> tuple[str, ...]:
        """Say how well the process predicts."""
        predictors = {name: [process] for name, process in self._processes.items()}
        return predictor_remarks(self.problem, history.evaluations, predictors)

    def _surrogate(self, history: History) -> Surrogate:
        """Return the processes fitted to the finished trials, which all proposals of a round share."""
        if self._fitted is None or self._fitted[0] != history.outcomes:
            self._fitted = history.outcomes, Surrogate(history, self._breeder, self._processes)
        return self._fitted[1]

    def _candidates(self, history: History, surrogate: Surrogate, rng: np.random.Generator) -> Values:
        seen = self.problem.values(history.seen)
        if self._breeder.all is not None:
            return without(self._breeder.all, seen)
        population = self.config.population
        start = starting_points(history, self._breeder, rng, population // 2)
        planes = self.problem.planes
        found = [start]
        for plane in planes:

            def losses(values: Values, plane: tuple[int, ...] = plane) -> Floats:
                # Half a deviation of optimism keeps what is not known yet alive.
                return surrogate.expect(values).penalised(0.5)[:, plane]

            size = max(2, population // len(planes))
            found.append(self._breeder.evolved(start, losses, rng, self.config.generations, size))
        return without(np.unique(np.concatenate(found), axis=0), seen)

    def _best(self, history: History, surrogate: Surrogate, candidates: Values) -> int:
        expected = surrogate.expect(candidates)
        losses = history.losses[history.excess == 0]
        if history.pending:
            losses = np.concatenate([losses, surrogate.expect(self.problem.values(history.pending)).means])
        low, high = history.losses.min(axis=0), history.losses.max(axis=0)
        unit = np.where(high > low, high - low, 1.0)
        improvement = np.zeros(len(candidates))
        for plane in map(list, self.problem.planes):
            improvement += expected_improvement(
                ((expected.means - low) / unit)[:, plane],
                (expected.deviations / unit)[:, plane],
                ((losses - low) / unit)[:, plane],
                ((high - low) / unit)[plane],
                self.integer_seed(history),
            )
        worth = improvement * expected.allowed
        kept = expected.excess == 0
        if kept.any():
            return int(np.argmax(np.where(kept, worth, -1.0)))
        return int(np.argmin(expected.excess))


def _processes(problem: Problem) -> dict[str, GaussianProcess]:
    """Return the process of each figure.

    Formats that are worth a search keep what a shape is worth, nearly: precision is expected to change qualities less
    than shapes do, and costs as much.
    """
    of_costs = {name: GaussianProcess() for name in problem.figures}
    of_qualities = {
        entry.figure: GaussianProcess(faint=Kind.BITS)
        for entry in problem.objectives
        if entry.direction is Direction.MAXIMIZE
    }
    return of_costs | of_qualities
