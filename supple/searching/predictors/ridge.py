"""Ridge regression in closed form: how strongly it is held back is chosen by the likelihood of what is left out."""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import ClassVar

import numpy as np

from supple.searching.predictors.columns import Blocks, Scaling
from supple.searching.predictors.encoder import Array, Features
from supple.searching.predictors.predictor import FittedPredictor, Predictor
from supple.searching.predictors.warp import FORMS, Warp

_PENALTIES = np.logspace(-5, 4, 37)
# As the Gaussian process expects: few members shall not say that they are free of noise.
_EXPECTED_LOG_PENALTY, _DEVIATION_OF_LOG_PENALTY = -3.0, 2.0
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True)
class Ridge(Predictor):
    """A sum of effects of each dimension's value, of totals, and of free statistics with their squares and products.

    The scale of the sum is chosen together with the penalty (Hoerl and Kennard, Ridge Regression: Biased Estimation for
    Nonorthogonal Problems, 1970). It is also where the other predictors have their scale from.
    """

    name: ClassVar[str] = "ridge"

    def _fit(self, features: Features, values: Array) -> FittedPredictor:
        return _fitted(features, values)[1]


class FittedRidge(FittedPredictor):
    """Weights of columns, and how uncertain they are."""

    def __init__(self, seen: Features, scaling: Scaling, warp: Warp, weights: "_Weights") -> None:
        super().__init__(seen)
        self._scaling = scaling
        self._warp = warp
        self._weights = weights

    def _predict(self, features: Features) -> tuple[Array, Array]:
        return self._warp.backward(*self._weights.predict(_columns(features, self._scaling)))


def best_warp(features: Features, values: Array) -> Warp:
    """Return the scale on which sums of effects make evaluated members likeliest, each left out in its turn."""
    return _fitted(features, values)[0]


def _fitted(features: Features, values: Array) -> tuple[Warp, FittedRidge]:
    scaling = Scaling.of(features)
    decomposed = _Decomposed(_columns(features, scaling))
    warps = dict.fromkeys(Warp.of(form, values) for form in FORMS)
    fits = [(warp, *decomposed.fit(warp.forward(values))) for warp in warps]
    # log p(value) = log p(value on the scale) + log of the scale's slope.
    best = max(fits, key=lambda fit: fit[1] + float(fit[0].log_slope(values).sum()))
    return best[0], FittedRidge(features, scaling, best[0], best[2])


@dataclass(frozen=True)
class _Weights:
    """y = weights · (x - centre) + noise, with the weights' covariance as rows whose products it is a sum of."""

    centre: Array
    weights: Array
    directions: Array
    shrinkage: Array
    penalty: float
    variance: float
    count: int

    def predict(self, columns: Array) -> tuple[Array, Array]:
        away = columns - self.centre
        along = away @ self.directions.T
        # x (X'X + penalty)⁻¹ x', in the directions that were seen and in those that were not.
        unseen = np.maximum(np.square(away).sum(axis=1) - np.square(along).sum(axis=1), 0.0)
        share = np.square(along) @ self.shrinkage + unseen / self.penalty
        return away @ self.weights, np.sqrt(self.variance * (1 + 1 / self.count + share))


class _Decomposed:
    """Columns as the product of orthogonal directions: then a fit for each penalty takes no time."""

    def __init__(self, columns: Array) -> None:
        self._centre = columns.mean(axis=0)
        self._left, self._singular, self._directions = np.linalg.svd(columns - self._centre, full_matrices=False)

    def fit(self, targets: Array) -> tuple[float, _Weights]:
        """Return the likelihood of what is left out, and the weights with the likeliest penalty.

        `targets` (configs,) have mean 0.
        """
        count, squares, projected = len(targets), np.square(self._singular), self._left.T @ targets
        fits = []
        for penalty in _PENALTIES:
            kept = squares / (squares + penalty)
            leverage = np.minimum(np.square(self._left) @ kept + 1 / count, 1 - 1e-9)
            left_out = (targets - self._left @ (kept * projected)) / (1 - leverage)
            # A value that is left out has the variance of one that was seen, over 1 - leverage.
            variance = max(float(np.mean(np.square(left_out) * (1 - leverage))), _LEAST_VARIANCE)
            variances = variance / (1 - leverage)
            away = (np.log(penalty) - _EXPECTED_LOG_PENALTY) / _DEVIATION_OF_LOG_PENALTY
            likelihood = -0.5 * float(np.sum(np.log(variances) + np.square(left_out) / variances) + away**2)
            fits.append((likelihood, penalty, variance))
        likelihood, penalty, variance = max(fits)
        shrinkage = 1 / (squares + penalty)
        weights = self._directions.T @ (self._singular * shrinkage * projected)
        return likelihood, _Weights(
            self._centre, weights, self._directions, shrinkage, float(penalty), variance, len(targets)
        )


def _columns(features: Features, scaling: Scaling) -> Array:
    blocks = Blocks.of(features, scaling)
    free = blocks.free
    pairs = combinations_with_replacement(range(free.shape[1]), 2)
    squares = [free[:, one] * free[:, other] / 2 for one, other in pairs]
    return np.concatenate([*blocks.linear(), np.stack(squares, axis=1) if squares else free], axis=1)
