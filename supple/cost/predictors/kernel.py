"""The covariance of latencies: linear in blocks of columns, smooth in the last columns, and noise."""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from supple.cost.predictors.descriptions import Array

_BOUNDS = (1e-8, 1e4)


class BlockKernel(Kernel):  # type: ignore[misc]  # scikit-learn has no types.
    """k(x, x') = sum over blocks b of v_b <x_b, x'_b>, + v_s exp(-|x_s - x'_s|² / 2 l²), + noise where x is x'.

    `widths` are the numbers of columns of the linear blocks, which come first; `smooth` is the number of those behind
    them, 0 for no smooth part. `values`, all positive: one variance v_b per block, then v_s and the length l where
    there is a smooth part, and the variance of the noise. scikit-learn's own kernels all look at every column.
    """

    def __init__(self, widths: tuple[int, ...], smooth: int, values: Array) -> None:
        self.widths = widths
        self.smooth = smooth
        self.values = values

    @property
    def hyperparameter_values(self) -> Hyperparameter:
        """What fitting changes."""
        count = len(self.values)
        return Hyperparameter("values", "numeric", (_BOUNDS,) * count, count)

    @property
    def noise(self) -> float:
        """The variance of a single measurement."""
        return float(self.values[-1])

    def __call__(
        self,
        X: Array,  # noqa: N803 (scikit-learn's names)
        Y: Array | None = None,  # noqa: N803
        eval_gradient: bool = False,
    ) -> Array | tuple[Array, Array]:
        """Return the covariances, and on request their gradient by the logarithm of each value."""
        if not eval_gradient:
            return self.covariance(X, Y) if Y is not None else self.covariance(X, X) + self.noise * np.eye(len(X))
        parts = [*self._parts(X, X), self.noise * np.eye(len(X))]
        total = np.sum(parts, axis=0)
        if self.smooth:
            smooth = len(self.widths)
            parts.insert(smooth + 1, parts[smooth] * self._distances(X, X) / self.values[smooth + 1] ** 2)
        return total, np.stack(parts, axis=-1)

    def covariance(self, rows: Array, others: Array) -> Array:
        """Return the covariances (rows, others) of what is measured, without the noise of measuring."""
        return np.asarray(np.sum(self._parts(rows, others), axis=0))

    def diag(self, X: Array) -> Array:  # noqa: N803
        """Return the variance of a measurement at each row."""
        variances = np.full(len(X), self.noise + (self.values[len(self.widths)] if self.smooth else 0.0))
        for block, value in zip(self._blocks(X), self.values, strict=False):
            variances += value * np.square(block).sum(axis=1)
        return variances

    def is_stationary(self) -> bool:
        """Tell scikit-learn that the linear parts depend on more than differences."""
        return False

    def _parts(self, rows: Array, others: Array) -> list[Array]:
        parts = [
            value * (one @ other.T)
            for one, other, value in zip(self._blocks(rows), self._blocks(others), self.values, strict=False)
        ]
        if self.smooth:
            variance, length = self.values[len(self.widths) : len(self.widths) + 2]
            parts.append(variance * np.exp(-self._distances(rows, others) / (2 * length**2)))
        return parts

    def _blocks(self, rows: Array) -> list[Array]:
        return np.split(rows[:, : sum(self.widths)], np.cumsum(self.widths)[:-1], axis=1)

    def _distances(self, rows: Array, others: Array) -> Array:
        linear = sum(self.widths)
        return np.asarray(cdist(rows[:, linear:], others[:, linear:], "sqeuclidean"))
