"""How good predictions are of members that were evaluated, but not seen."""

from dataclasses import dataclass

import numpy as np

from supple.searching.predictors.encoder import Array
from supple.searching.predictors.predictor import Predictions

_NINETY_PERCENT = 1.645
"""Deviations on either side that hold 90 % of a normal distribution."""


@dataclass(frozen=True)
class Quality:
    """Of `count` members: the rank correlation, the mean absolute error, the share in the predicted 90 % intervals.

    `kendall_tau` is tau-b: ties count half; it is 0 where all predictions, or all figures, are equal. `error` is in the
    unit of the figure.
    """

    count: int
    kendall_tau: float
    error: float
    in_interval: float

    @classmethod
    def of(cls, predictions: Predictions, values: Array) -> "Quality":
        """Compare predictions with the figures of the same members, (configs,)."""
        errors = np.abs(predictions.mean - values)
        return cls(
            len(values),
            kendall_tau(predictions.mean, values),
            float(errors.mean()),
            float(np.mean(errors <= _NINETY_PERCENT * predictions.std)),
        )

    def __str__(self) -> str:
        return (
            f"Kendall tau {self.kendall_tau:.3f}, mean error {self.error:.3g}, {self.in_interval:.0%} in their 90 % "
            f"intervals, of {self.count} members held out"
        )


def kendall_tau(predicted: Array, values: Array) -> float:
    """Return the rank correlation (Kendall, A New Measure of Rank Correlation, 1938; tau-b), 0 where all are equal."""
    from scipy.stats import kendalltau

    if not (np.ptp(predicted) > 0 and np.ptp(values) > 0):
        return 0.0
    return float(kendalltau(predicted, values).statistic)


def concordances(predicted: Array, values: Array) -> Array:
    """Return for each member how it is ranked among the others: the mean, from -1 to 1, is Kendall's tau-a.

    So that two predictors are compared member by member. (configs,) each; a single member is ranked 0.
    """
    agreement = np.sign(np.subtract.outer(predicted, predicted)) * np.sign(np.subtract.outer(values, values))
    return np.asarray(agreement.sum(axis=1) / max(1, len(values) - 1))
