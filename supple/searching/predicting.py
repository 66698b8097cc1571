"""Which predictor a searcher trusts, by name, and how good predictors are on what a search has evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from supple.searching.breeding import Breeder
from supple.searching.evaluation import Evaluation
from supple.searching.predictors import (
    PREDICTORS,
    ChosenPredictor,
    FittedPredictor,
    GaussianProcess,
    Networks,
    Predictor,
    Ridge,
    Trees,
    best_predictor,
)
from supple.searching.predictors.encoder import Array, Features
from supple.searching.problem import Floats, Problem, Values

_POOL = 2000
_FEWEST_JUDGED = 10
_TINY = 1e-300


class PredictorKind(StrEnum):
    """The predictors that a searcher can use; `best` is chosen by cross-validation, each time anew."""

    RIDGE = "ridge"
    TREES = "trees"
    GAUSSIAN_PROCESS = "gaussian_process"
    NETWORKS = "networks"
    BEST = "best"


def build_predictor(kind: PredictorKind, problem: Problem, seed: int) -> Predictor:
    """Return the predictor of that name; networks are pretrained on known figures, where there are any."""
    match kind:
        case PredictorKind.RIDGE:
            return Ridge()
        case PredictorKind.TREES:
            return Trees()
        case PredictorKind.GAUSSIAN_PROCESS:
            return GaussianProcess()
        case PredictorKind.NETWORKS:
            return _networks(problem, seed)
        case PredictorKind.BEST:
            return BestPredictor()


@dataclass(frozen=True)
class BestPredictor(Predictor):
    """The predictor that ranks best what it has not seen, chosen at each fit."""

    name: ClassVar[str] = "best"

    def _fit(self, features: Features, values: Array) -> FittedPredictor:
        return _Chosen(features, best_predictor(features, values))


class _Chosen(FittedPredictor):
    """A chosen predictor as any other."""

    def __init__(self, seen: Features, chosen: ChosenPredictor) -> None:
        super().__init__(seen)
        self._chosen = chosen

    def _predict(self, features: Features) -> tuple[Array, Array]:
        return self._chosen.predict(features)


class Describer:
    """Describes members for predictors: by their values, and by what is known of them without evaluating them.

    Of a known figure that is positive for the smallest member, the logarithm counts.
    """

    def __init__(self, problem: Problem, breeder: Breeder) -> None:
        self._encoder = breeder.encoder
        smallest = problem.known_figures(problem.values([problem.space.min()]))
        self._positive = {name: column[0] > 0 for name, column in smallest.items()}

    def __call__(self, values: Values, known: Mapping[str, Floats]) -> Features:
        """Return the features of configs, (configs, dimensions), with these known figures."""
        columns = [
            np.log(np.maximum(column, _TINY)) if self._positive[name] else column for name, column in known.items()
        ]
        return self._encoder.encode(values, np.stack(columns, axis=1) if columns else None)


def candidates(predictor: Predictor) -> Sequence[Predictor]:
    """Return the predictors that one stands for: several where the best of them is chosen at each fit."""
    return PREDICTORS if isinstance(predictor, BestPredictor) else (predictor,)


def predictor_remarks(
    problem: Problem, evaluations: Sequence[Evaluation], predictors: Mapping[str, Sequence[Predictor]]
) -> tuple[str, ...]:
    """Say how well predictors tell each figure that must be evaluated, of members that they have not seen.

    `predictors` are those of each figure, of which the best is asked. Nothing where fewer than ten members were
    evaluated.
    """
    if len(evaluations) < _FEWEST_JUDGED:
        return ()
    values = problem.values(entry.config for entry in evaluations)
    features = Describer(problem, Breeder(problem.space))(values, problem.known_figures(values))
    remarks = []
    for name in problem.figures:
        if name not in problem.known:
            chosen = best_predictor(features, [entry.figures[name] for entry in evaluations], predictors[name])
            remarks.append(f"Predictions of {name} ({chosen.name}), of members left out: {chosen.quality}")
    return tuple(remarks)


def _networks(problem: Problem, seed: int) -> Predictor:
    if not problem.known:
        return Networks(seed)
    breeder = Breeder(problem.space)
    pool = breeder.random(_POOL, np.random.default_rng(seed))
    return Networks.pretrained(Describer(problem, breeder)(pool, problem.known_figures(pool)), seed)
