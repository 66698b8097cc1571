"""A Gaussian process over members: exact, its kernel found by the likelihood of what was evaluated."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from supple.searching.predictors.columns import Blocks, Scaling
from supple.searching.predictors.encoder import Array, Features
from supple.searching.predictors.kernel import Likelihood, MemberKernel
from supple.searching.predictors.predictor import FittedPredictor, Predictor
from supple.searching.predictors.ridge import best_warp
from supple.searching.predictors.warp import Warp
from supple.space import Kind

# A value may differ by e^1.5 from the one expected before the expectation weighs against it.
_DEVIATION_OF_LOGARITHMS = 1.5
_BOUNDS = (-10.0, 6.0)
_STEPS = 60


@dataclass(frozen=True)
class GaussianProcess(Predictor):
    """Sums of effects with smooth interactions (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006).

    The kernel's values are those of the greatest posterior density on `rows_for_kernel` members at most, drawn by
    `seed`; then all members count. The time grows with the cube of their number: take at most a few thousand.
    Dimensions of the kind `faint` are expected to change the figure little, until members show that they do.
    """

    name: ClassVar[str] = "gaussian process"

    rows_for_kernel: int = 300
    seed: int = 0
    faint: Kind | None = None

    def _fit(self, features: Features, values: Array) -> FittedPredictor:
        warp = best_warp(features, values)
        targets = warp.forward(values)
        scaling = Scaling.of(features)
        some = np.sort(np.random.default_rng(self.seed).permutation(len(features))[: self.rows_for_kernel])
        kernel = _most_likely(Blocks.of(features.take(some), scaling), targets[some], self.faint)
        return FittedGaussianProcess(features, scaling, warp, kernel, targets)


class FittedGaussianProcess(FittedPredictor):
    """A process that is conditioned on evaluated members."""

    def __init__(self, seen: Features, scaling: Scaling, warp: Warp, kernel: MemberKernel, targets: Array) -> None:
        super().__init__(seen)
        self._scaling = scaling
        self._warp = warp
        self._kernel = kernel
        self._seen = Blocks.of(seen, scaling)
        covariance = kernel.covariance(self._seen, self._seen) + kernel.noise * np.eye(len(seen))
        self._lower = np.linalg.cholesky(covariance)
        self._weights = cho_solve((self._lower, True), targets)

    def _predict(self, features: Features) -> tuple[Array, Array]:
        blocks = Blocks.of(features, self._scaling)
        covariance = self._kernel.covariance(blocks, self._seen)
        known = solve_triangular(self._lower, covariance.T, lower=True, check_finite=False)
        variance = self._kernel.variances(blocks) - np.square(known).sum(axis=0)
        deviation = np.sqrt(np.maximum(variance, 0.0) + self._kernel.noise)
        return self._warp.backward(covariance @ self._weights, deviation)


def _most_likely(blocks: Blocks, targets: Array, faint: Kind | None) -> MemberKernel:
    likelihood = Likelihood(blocks, targets)
    expected = MemberKernel.expected(blocks, faint).logarithms

    def objective(logarithms: Array) -> tuple[float, Array]:
        value, gradient = likelihood(logarithms)
        away = (logarithms - expected) / _DEVIATION_OF_LOGARITHMS
        return 0.5 * float(away @ away) - value, away / _DEVIATION_OF_LOGARITHMS - gradient

    bounds = [_BOUNDS] * len(expected)
    found = minimize(objective, expected, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS})
    return MemberKernel(np.asarray(found.x))
