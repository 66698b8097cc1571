"""Whether single sensitivities add up: predicted against measured joint losses; where they do not, terms for pairs.

Sources: that sums of single losses rank configs is assumed by most that allocate bits by integer programming; Deng et
al., Mixed-Precision Quantization with Cross-Layer Dependencies (CLADO), 2023, show where it fails, and add pairs.
"""

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray

from supple.errors import SuppleError
from supple.searching.allocator.measuring import Measured
from supple.searching.allocator.table import SensitivityTable

THRESHOLD = 0.95
FEWEST_MEASURED = 10
MOST_PAIRS = 30
_FOLDS = 5

_Floats = NDArray[numpy.float64]


@dataclass(frozen=True)
class Agreement:
    """How well predicted losses agree with measured ones: rank and linear correlation (-1 to 1)."""

    spearman: float
    pearson: float


@dataclass(frozen=True)
class Additivity:
    """What a test of additivity found, and the table to go on with.

    `with_pairs` is how well predictions with pairs agree with measurements that they were not fitted to; None where
    sums alone were good enough. `sensitivity` has pairs where those predict better.
    """

    sensitivity: SensitivityTable
    measured: int
    sums: Agreement
    with_pairs: Agreement | None

    def __str__(self) -> str:
        line = f"Sums of single losses rank {self.measured} measured configs with Spearman {self.sums.spearman:.3f}"
        if self.with_pairs is None:
            return f"{line}."
        verdict = "are taken" if self.sensitivity.pairs else "are no better"
        return f"{line}; {verdict.removeprefix('are ')} with pairs: {self.with_pairs.spearman:.3f}."


def check_additivity(
    sensitivity: SensitivityTable, measured: Sequence[Measured], threshold: float = THRESHOLD
) -> Additivity:
    """Compare the table's sums with measured losses; below a rank correlation of `threshold`, fit terms for pairs.

    A pair of dimensions gets one weight, which multiplies the product of both single losses; few pairs get one (a
    lasso, its strength by cross-validation), and only where they predict better what they were not fitted to. Raises
    `SuppleError` for fewer than ten measurements, and for a table that has pairs already.
    """
    from sklearn.model_selection import KFold

    if len(measured) < FEWEST_MEASURED:
        raise SuppleError(f"Additivity is tested on {FEWEST_MEASURED} measured configs or more, not {len(measured)}.")
    if sensitivity.pairs:
        raise SuppleError("The table of sensitivities has pairs already: additivity is tested without them.")
    truth = numpy.array([entry.figure for entry in measured])
    sums = numpy.array([sensitivity.of(entry.config) for entry in measured])
    agreement = _agreement(sums, truth)
    if agreement.spearman >= threshold:
        return Additivity(sensitivity, len(measured), agreement, None)
    names, products = _products(sensitivity, measured)
    held_out = sums.copy()
    for fitted, left_out in KFold(_FOLDS, shuffle=True, random_state=0).split(products):
        weights = _weights(products[fitted], (truth - sums)[fitted])
        held_out[left_out] += products[left_out] @ weights
    better = _agreement(held_out, truth)
    if better.spearman <= agreement.spearman:
        return Additivity(sensitivity, len(measured), agreement, better)
    weights = _weights(products, truth - sums)
    return Additivity(_with_pairs(sensitivity, names, weights), len(measured), agreement, better)


def _agreement(predicted: _Floats, truth: _Floats) -> Agreement:
    """Return the correlations; what is all the same agrees with nothing."""
    from scipy.stats import pearsonr, spearmanr

    if numpy.ptp(predicted) == 0 or numpy.ptp(truth) == 0:
        return Agreement(0.0, 0.0)
    return Agreement(float(spearmanr(predicted, truth).statistic), float(pearsonr(predicted, truth).statistic))


def _products(sensitivity: SensitivityTable, measured: Sequence[Measured]) -> tuple[list[tuple[str, str]], _Floats]:
    """Return the pairs of dimensions, and for each config (row) and pair (column) the product of the single losses."""
    names = list(sensitivity.entries)
    space = sensitivity.space
    single = numpy.array(
        [
            [
                sensitivity.entries[name][entry.config[name]] if space.is_active(name, entry.config) else 0.0
                for name in names
            ]
            for entry in measured
        ]
    )
    indices = list(itertools.combinations(range(len(names)), 2))
    products = numpy.stack([single[:, one] * single[:, other] for one, other in indices], axis=1)
    return [(names[one], names[other]) for one, other in indices], products


def _weights(products: _Floats, missing: _Floats) -> _Floats:
    """Return a weight for each product, most of them 0, so that they make up for what is missing."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    spread = products.std(axis=0)
    spread[spread == 0] = math.inf
    model = LassoCV(cv=_FOLDS, fit_intercept=False, eps=1e-2)
    with warnings.catch_warnings():
        # A fit that stops early does as well: it is judged by what it was not fitted to.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(products / spread, missing)
    weights: _Floats = model.coef_ / spread
    # The programme grows with every pair: those that explain least are left out.
    weights[numpy.argsort(-numpy.abs(model.coef_))[MOST_PAIRS:]] = 0.0
    return weights


def _with_pairs(sensitivity: SensitivityTable, names: Sequence[tuple[str, str]], weights: _Floats) -> SensitivityTable:
    entries = sensitivity.entries
    pairs = {
        (first, second): {
            (one, other): float(weight) * entries[first][one] * entries[second][other]
            for one, other in itertools.product(entries[first], entries[second])
        }
        for (first, second), weight in zip(names, weights, strict=True)
        if weight
    }
    return replace(sensitivity, pairs=pairs)
