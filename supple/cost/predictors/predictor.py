"""A predictor of latencies on one target: fitted to few measurements there, it knows its error and its target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from supple.blas import one_blas_thread
from supple.cost.predictors.descriptions import Array, Descriptions, checked_latencies
from supple.cost.predictors.held_out import HeldOut
from supple.cost.predictors.process import Process
from supple.cost.predictors.selection import best_process
from supple.errors import SuppleError

COVERAGE = 0.9
"""The share of measurements that lie in the interval of their prediction."""
FEWEST_MEASUREMENTS = 5
_FOLDS = 5
_LEAST_DEVIATION = 1e-3
"""A shorter interval than a tenth of a percent would claim more than any clock tells."""
_WIDEST = 10.0
"""An interval from a 22,000th of the prediction to 22,000 times it says that nothing is known, without overflow."""


@dataclass(frozen=True)
class FittedTarget:
    """Where a predictor's latencies were measured: the target's address, and the machine in one line."""

    address: str
    machine: str

    def __str__(self) -> str:
        return f'"{self.address}" on {self.machine}'


@dataclass(frozen=True)
class Predictions:
    """Latencies in ms, and the interval in which a measurement of each is expected to lie: arrays of (configs,)."""

    latency_ms: Array
    low_ms: Array
    high_ms: Array


@dataclass(frozen=True)
class LatencyPredictor:
    """Predicts what configs take on the one target that it was fitted on.

    `held_out` compares predictions of each measured config by a predictor fitted to the others. An interval is the
    process's deviation, stretched by `stretch` such that it held 90 % of those (split-conformal prediction with
    cross-validation's residuals; Lei et al., Distribution-Free Predictive Inference for Regression, 2018).
    """

    target: FittedTarget
    process: Process
    held_out: HeldOut
    stretch: float

    @classmethod
    @one_blas_thread()
    def fit(cls, target: FittedTarget, measured: Descriptions, latency_ms: ArrayLike) -> "LatencyPredictor":
        """Fit to configs measured on the target, latencies (configs,) in ms.

        Whether latencies or their logarithms add up, and whether features help beside costs and sources, is chosen by
        leave-one-out errors; the errors reported are of folds that choose anew. The time grows with the cube of the
        number of measurements: take at most a few thousand. Raises `SuppleError` for fewer than 5 measurements, or for
        latencies that are not positive.
        """
        latencies = checked_latencies(latency_ms, len(measured))
        if len(latencies) < FEWEST_MEASUREMENTS:
            raise SuppleError(
                f"A latency predictor needs at least {FEWEST_MEASUREMENTS} measurements; it got {len(latencies)}."
            )
        predicted, deviations = _cross_validated(measured, latencies)
        scores = np.sort(np.abs(np.log(predicted / latencies)) / np.maximum(deviations, _LEAST_DEVIATION))
        position = min(len(scores), math.ceil((len(scores) + 1) * COVERAGE))
        return cls(
            target, best_process(measured, latencies), HeldOut.of(predicted, latencies), float(scores[position - 1])
        )

    @one_blas_thread()
    def predict(self, configs: Descriptions, target: FittedTarget) -> Predictions:
        """Predict the latencies of configs on a target, in ms.

        Raises `SuppleError` where the predictor was not fitted on this target, or where the configs are described by
        other numbers of features, costs or sources than those it was fitted to.
        """
        if target != self.target:
            raise SuppleError(f"This predictor was fitted on {self.target}: it says nothing about {target}.")
        expected = self.process.columns.reference.widths
        if configs.widths != expected:
            raise SuppleError(
                f"The configs have {_counted(configs.widths)}; the predictor was fitted to {_counted(expected)}."
            )
        latency_ms, deviations = self.process.predict(configs)
        factor = np.exp(np.minimum(self.stretch * np.maximum(deviations, _LEAST_DEVIATION), _WIDEST))
        return Predictions(latency_ms, latency_ms / factor, latency_ms * factor)


def with_sources(configs: Descriptions, sources: Sequence[LatencyPredictor]) -> Descriptions:
    """Describe configs also by what the predictors of other devices say of them.

    The sources' own measurements may be of any configs of the space; as the predictors average their noise out, this is
    better even where a source has measured the very same configs.
    """
    plain = configs.without_sources()
    columns = [source.predict(plain, source.target).latency_ms for source in sources]
    return configs.with_sources(np.stack(columns, axis=1) if columns else np.zeros((len(configs), 0)))


def _cross_validated(measured: Descriptions, latency_ms: Array) -> tuple[Array, Array]:
    """Return each config's latency in ms and its relative deviation, as a process says that has not seen its fold."""
    count = len(latency_ms)
    # With few measurements every one of them is missed.
    folds = np.random.default_rng(0).permutation(count) % (count if count <= 4 * _FOLDS else _FOLDS)
    predicted, deviations = np.empty(count), np.empty(count)
    for fold in range(folds.max() + 1):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        process = best_process(measured.take(inside), latency_ms[inside])
        predicted[outside], deviations[outside] = process.predict(measured.take(outside))
    return predicted, deviations


def _counted(widths: tuple[int, int, int]) -> str:
    features, costs, sources = widths
    return f"{features} features, {costs} costs and {sources} sources"
