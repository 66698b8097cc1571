"""Which configs to measure next: those that tell most about all others."""

import numpy as np

from supple.cost.predictors.columns import Columns, Form, Scale
from supple.cost.predictors.descriptions import Array, Descriptions
from supple.cost.predictors.predictor import LatencyPredictor
from supple.errors import SuppleError

_CANDIDATES = 1000
_JUDGED = 500


def choose(pool: Descriptions, count: int, predictor: LatencyPredictor | None = None, seed: int = 0) -> tuple[int, ...]:
    """Return the rows of `count` configs of the pool to measure, the most telling first.

    Each lowers the mean variance of predictions over the pool most, given those before it (Cohn et al., Active Learning
    with Statistical Models, 1996); which ones does not depend on what they will measure. Without a predictor, what is
    known of the configs is all: the kernel is the one expected before measuring, and sources, where there are any,
    matter most. With one, its own measurements are known. From a pool of more than 1,000 configs, `seed` draws the
    candidates. Raises `SuppleError` where the pool holds fewer than `count`.
    """
    if not 0 <= count <= min(len(pool), _CANDIDATES):
        raise SuppleError(
            f"{count} configs to measure cannot be chosen from a pool of {len(pool)} (at most {_CANDIDATES} at once)."
        )
    drawn = np.random.default_rng(seed).permutation(len(pool))
    candidates, judged = drawn[:_CANDIDATES], drawn[-_JUDGED:]
    if predictor is None:
        columns = Columns(Form(Scale.MS, features=True), pool)
        kernel, known = columns.kernel(), columns(pool.take([]))
    else:
        columns, kernel = predictor.process.columns, predictor.process.kernel
        known = columns(columns.reference)
    rows = columns(pool.take(np.concatenate([candidates, judged])))
    covariance = kernel.covariance(rows, rows[: len(candidates)])
    if len(known):
        cross, measured = kernel.covariance(rows, known), kernel.covariance(known, known)
        covariance -= cross @ np.linalg.solve(measured + kernel.noise * np.eye(len(known)), cross[: len(candidates)].T)
    return tuple(int(candidates[position]) for position in _greedy(covariance, kernel.noise, count))


def _greedy(covariance: Array, noise: float, count: int) -> list[int]:
    """Choose columns of a covariance of (candidates and judged, candidates), one after another."""
    candidates = covariance.shape[1]
    chosen: list[int] = []
    for _ in range(count):
        variance = np.maximum(np.diag(covariance[:candidates]), 0.0)
        # A measurement of x lowers the variance at each x' by k(x', x)² / (k(x, x) + noise).
        lowered = np.square(covariance[candidates:]).sum(axis=0) / (variance + noise)
        lowered[chosen] = -1.0
        best = int(np.argmax(lowered))
        chosen.append(best)
        column = covariance[:, best] / np.sqrt(variance[best] + noise)
        covariance = covariance - np.outer(column, column[:candidates])
    return chosen
