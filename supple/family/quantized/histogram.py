"""Histograms of activations, and the part of their range that a grid of 8 bits had better cover."""

import numpy as np
import torch
from numpy.typing import NDArray

from supple.family.quantized.config import RangeMethod

BINS = 2048
LEVELS = 256
_CANDIDATES = 100
_SMALLEST_SHARE = 0.05

Floats = NDArray[np.float64]


class Histogram:
    """How often numbers of a tensor fall into each of 2,048 equal parts of their range."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high
        self._counts = torch.zeros(BINS, dtype=torch.float64)

    def add(self, tensor: torch.Tensor) -> None:
        """Count the numbers of a tensor."""
        if self.high > self.low:
            found = torch.histc(tensor.float().cpu(), BINS, self.low, self.high)
            self._counts += found.double()

    @property
    def counts(self) -> Floats:
        """The counts, (2048,)."""
        counts: Floats = self._counts.numpy()
        return counts

    @property
    def middles(self) -> Floats:
        """The middles of the bins, (2048,)."""
        edges = np.linspace(self.low, self.high, BINS + 1)
        middles: Floats = (edges[:-1] + edges[1:]) / 2
        return middles


def covered(histogram: Histogram, method: RangeMethod, percentile: float) -> tuple[float, float]:
    """Return the least and the greatest number that a grid is to cover; the range seen for min-max."""
    low, high = histogram.low, histogram.high
    if method is RangeMethod.MINMAX or not histogram.counts.any():
        return low, high
    if method is RangeMethod.PERCENTILE:
        return _percentiles(histogram, percentile)
    error = _squared_error if method is RangeMethod.MSE else _divergence
    # The range seen, shrunk towards 0 at both ends alike: 0 itself must stay on the grid.
    shares = np.linspace(1.0, _SMALLEST_SHARE, _CANDIDATES)
    errors = [error(histogram, low * share, high * share) for share in shares]
    best = float(shares[int(np.argmin(errors))])
    return low * best, high * best


def _percentiles(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """Return the range that leaves out the outermost share, half of it at each end where both signs occur."""
    total = np.cumsum(histogram.counts)
    outside = (1 - percentile / 100) * total[-1]
    has_two_sides = histogram.low < 0 < histogram.high
    below = outside / 2 if has_two_sides else (outside if histogram.high <= 0 else 0.0)
    above = outside - below
    edges = np.linspace(histogram.low, histogram.high, BINS + 1)
    first = int(np.searchsorted(total, below, side="right"))
    last = int(np.searchsorted(total, total[-1] - above, side="left"))
    return float(edges[first]), float(edges[min(last, BINS - 1) + 1])


def _rounded(histogram: Histogram, low: float, high: float) -> Floats:
    """Return the middles of the bins on the grid of a range."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (LEVELS - 1)
    zero_point = np.round(-low / scale)
    rounded: Floats = (np.clip(np.round(histogram.middles / scale) + zero_point, 0, LEVELS - 1) - zero_point) * scale
    return rounded


def _squared_error(histogram: Histogram, low: float, high: float) -> float:
    difference = _rounded(histogram, low, high) - histogram.middles
    return float(np.sum(histogram.counts * difference**2))


def _divergence(histogram: Histogram, low: float, high: float) -> float:
    """Return the Kullback-Leibler divergence of the numbers on the grid from those seen, clipped to the range.

    As in Migacz (2017): the mass of each level of the grid spreads evenly over those of its bins that hold any.
    """
    inside = (histogram.middles >= min(low, 0.0)) & (histogram.middles <= max(high, 0.0))
    counts = histogram.counts[inside]
    if not counts.any():
        return float("inf")
    true = counts.copy()
    places = np.flatnonzero(inside)
    true[0] += histogram.counts[: places[0]].sum()
    true[-1] += histogram.counts[places[-1] + 1 :].sum()
    levels = np.unique(_rounded(histogram, low, high)[inside], return_inverse=True)[1]
    holds = counts > 0
    mass = np.bincount(levels, counts)
    bins = np.bincount(levels, holds)
    model = np.where(holds, (mass / np.maximum(bins, 1))[levels], 0.0)
    p, q = true / true.sum(), model / model.sum()
    # A bin that only clipped numbers fill has no mass in the model: it counts as a very small one.
    return float(np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12)), 0.0)))
