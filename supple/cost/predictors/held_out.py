"""How far predictions are from measurements that were not used to make them."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, spearmanr

from supple.cost.predictors.descriptions import Array


@dataclass(frozen=True)
class HeldOut:
    """Errors as shares of the measured latency, and how alike predictions and measurements rank the configs.

    `median_error` and `error_90` are the median and the 90 % quantile of |predicted / measured - 1|. A rank correlation
    is 0 where all predictions, or all measurements, are equal.
    """

    count: int
    median_error: float
    error_90: float
    spearman: float
    kendall_tau: float

    @classmethod
    def of(cls, predicted_ms: Array, measured_ms: Array) -> "HeldOut":
        """Compare predictions with measurements of the same configs, both in ms."""
        errors = np.abs(predicted_ms / measured_ms - 1)
        ranked = np.ptp(predicted_ms) > 0 and np.ptp(measured_ms) > 0
        return cls(
            len(errors),
            float(np.median(errors)),
            float(np.quantile(errors, 0.9)),
            float(spearmanr(predicted_ms, measured_ms).statistic) if ranked else 0.0,
            float(kendalltau(predicted_ms, measured_ms).statistic) if ranked else 0.0,
        )
