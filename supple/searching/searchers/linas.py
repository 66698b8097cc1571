"""LINAS: evolution on the predictions of a light predictor proposes a round of members, whose results train it anew.

Source: Cummings et al., A Hardware-Aware System for Accelerating Deep Neural Network Optimization, 2022 (lightweight
iterative neural architecture search, of Intel's DyNAS-T).
"""

from typing import Literal

import numpy as np
from pydantic import Field

from supple.searching.breeding import Breeder, best_first, without
from supple.searching.evaluation import Outcome
from supple.searching.history import History
from supple.searching.predicting import PredictorKind, build_predictor, candidates, predictor_remarks
from supple.searching.problem import Floats, Problem, Values
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.stratified import StratifiedConfig, StratifiedMembers
from supple.searching.surrogate import Surrogate, starting_points
from supple.space import Config


class LinasConfig(SearcherConfig):
    """How large a round is, what predicts, and how long evolution on the predictions goes on."""

    kind: Literal["linas"] = "linas"
    round: int = Field(default=10, ge=1, description="members that are evaluated between two fits of the predictor")
    predictor: PredictorKind = Field(default=PredictorKind.RIDGE, description="what predicts members from others")
    population: int = Field(default=200, ge=2, description="members alive in the evolution on predictions")
    generations: int = Field(default=30, ge=1, description="generations of that evolution, for each round")


class Linas(Searcher):
    """Proposes members of the predicted front, spread over it, the first round evenly over cost."""

    def __init__(self, problem: Problem, seed: int, config: LinasConfig = LinasConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config
        self.together = config.round
        self._beginning = StratifiedMembers(problem, seed, StratifiedConfig(strata=config.round))
        self._breeder = Breeder(problem.space)
        self._predictor = build_predictor(config.predictor, problem, seed)
        self._picked: tuple[tuple[Outcome, ...], Values] | None = None

    def propose(self, history: History) -> Config:
        """Return the next member of the round that belongs to this history."""
        if history.told < self.config.round or len(history.evaluations) < 2:
            return self._beginning.propose(history)
        for row in self._picks(history):
            config = self.space.config(
                {entry.name: int(value) for entry, value in zip(self.space.dimensions, row, strict=True)}
            )
            if config not in history.seen:
                return config
        return self.random_new(history, self.rng(history))

    def remarks(self, history: History) -> tuple[str, ...]:
        """Say how well the predictor predicts."""
        predictors = dict.fromkeys(self.problem.figures, candidates(self._predictor))
        return predictor_remarks(self.problem, history.evaluations, predictors)

    def _picks(self, history: History) -> Values:
        """Return the members to evaluate after the finished trials, the best of the predicted front first."""
        if self._picked is None or self._picked[0] != history.outcomes:
            rng = np.random.default_rng([self.seed, history.told])
            predictors = dict.fromkeys(self.problem.figures, self._predictor)
            surrogate = Surrogate(History(self.problem, history.outcomes), self._breeder, predictors)

            def losses(values: Values) -> Floats:
                return surrogate.expect(values).penalised()

            known = history.values
            if self._breeder.all is not None:
                pool = without(self._breeder.all, known)
            else:
                start = starting_points(history, self._breeder, rng, self.config.population // 2)
                pool = self._breeder.evolved(start, losses, rng, self.config.generations, self.config.population)
                pool = without(pool, known)
            best = pool[best_first(losses(pool))] if len(pool) else pool
            self._picked = history.outcomes, best[: 2 * self.config.round]
        return self._picked[1]
