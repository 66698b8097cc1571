"""An ensemble of trees, uncertain where they disagree."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from supple.searching.predictors.encoder import Array, Features
from supple.searching.predictors.ensemble import Disagreement
from supple.searching.predictors.predictor import FittedPredictor, Predictor
from supple.searching.predictors.ridge import best_warp
from supple.searching.predictors.warp import Warp

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor


@dataclass(frozen=True)
class Trees(Predictor):
    """Trees that split at random (Geurts et al., Extremely Randomized Trees, 2006): they know steps, but no sums."""

    name: ClassVar[str] = "trees"

    trees: int = 100
    seed: int = 0

    def _fit(self, features: Features, values: Array) -> FittedPredictor:
        from sklearn.ensemble import ExtraTreesRegressor

        warp, columns = best_warp(features, values), _columns(features)
        targets = warp.forward(values)
        forest = ExtraTreesRegressor(self.trees, max_features=0.5, bootstrap=True, random_state=self.seed)
        forest.fit(columns, targets)
        unseen = np.ones((self.trees, len(targets)), bool)
        for row, seen in zip(unseen, forest.estimators_samples_, strict=True):
            row[seen] = False
        return FittedTrees(features, warp, forest, Disagreement.of(_single(forest, columns), targets, unseen))


class FittedTrees(FittedPredictor):
    """Trees that were grown, and what their disagreement means."""

    def __init__(self, seen: Features, warp: Warp, forest: "ExtraTreesRegressor", disagreement: Disagreement) -> None:
        super().__init__(seen)
        self._warp = warp
        self._forest = forest
        self._disagreement = disagreement

    def _predict(self, features: Features) -> tuple[Array, Array]:
        single = _single(self._forest, _columns(features))
        return self._warp.backward(single.mean(axis=0), self._disagreement.deviations(single))


def _single(forest: "ExtraTreesRegressor", columns: Array) -> Array:
    """Return what each tree says of each config, (trees, configs)."""
    # scikit-learn's trees convert anything else at every call.
    narrow = columns.astype(np.float32)
    return np.stack([tree.predict(narrow) for tree in forest.estimators_])


def _columns(features: Features) -> Array:
    # The first column says nothing: a space of no choice has no others.
    ones = np.ones((len(features), 1))
    return np.concatenate([ones, features.ordinal(), features.totals(), features.free], axis=1)
