"""A Gaussian process over latencies: how known devices, costs and features predict those not measured."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessRegressor

from supple.cost.predictors.columns import Columns, Form, Scale
from supple.cost.predictors.descriptions import Array, Descriptions
from supple.cost.predictors.kernel import BlockKernel

_ROWS_FOR_VALUES = 128
"""More rows hardly change the kernel's few values, and the time to find them grows with the cube."""
_ROWS_AT_ONCE = 2048
# A kernel's value may differ by e² from the one expected before the expectation weighs against it: ten measurements do
# not make up a kernel of their own.
_DEVIATION_OF_LOG_VALUES = 2.0
# Sums in ms can be extrapolated to nothing; no network takes less than this share of the fastest that was measured.
_LEAST_SHARE = 0.1
_STEPS = 60


@dataclass(frozen=True)
class Process:
    """A process in one form, fitted to measured latencies in ms (Rasmussen and Williams, Gaussian Processes, 2006)."""

    columns: Columns
    regressor: GaussianProcessRegressor
    latency_ms: Array

    @classmethod
    def fit(cls, form: Form, measured: Descriptions, latency_ms: Array) -> "Process":
        """Find the kernel's values of the greatest posterior density, and condition on all that was measured."""
        columns = Columns(form, measured)
        rows, targets = columns(measured), _targets(columns, latency_ms)
        some = np.random.default_rng(0).permutation(len(rows))[:_ROWS_FOR_VALUES]
        expected = GaussianProcessRegressor(columns.kernel(), alpha=0.0, optimizer=None).fit(rows[some], targets[some])
        return cls.with_values(form, measured, latency_ms, _most_likely(expected))

    @classmethod
    def with_values(cls, form: Form, measured: Descriptions, latency_ms: Array, values: Array) -> "Process":
        """Condition a kernel of these values on what was measured; the same arguments give the same bits."""
        columns = Columns(form, measured)
        expected = columns.kernel()
        kernel = BlockKernel(expected.widths, expected.smooth, values)
        regressor = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None)
        regressor.fit(columns(measured), _targets(columns, latency_ms))
        return cls(columns, regressor, latency_ms)

    @property
    def kernel(self) -> BlockKernel:
        """The kernel with the values found."""
        kernel: BlockKernel = self.regressor.kernel_
        return kernel

    def predict(self, configs: Descriptions) -> tuple[Array, Array]:
        """Return the latency of each config in ms and its standard deviation as a share of it, a measurement's noise
        included.
        """
        means, deviations = [np.zeros(0)], [np.zeros(0)]
        for start in range(0, len(configs), _ROWS_AT_ONCE):
            part = configs.take(range(start, min(start + _ROWS_AT_ONCE, len(configs))))
            mean, deviation = self.regressor.predict(self.columns(part), return_std=True)
            means.append(mean + self.columns.expected(part))
            deviations.append(deviation)
        return self._in_ms(np.concatenate(means), np.concatenate(deviations))

    def leave_one_out(self) -> Array:
        """Return each measured config's latency in ms as predicted from the others, with the kernel's values kept."""
        inverse = cho_solve((self.regressor.L_, True), np.eye(len(self.latency_ms)))
        targets = _targets(self.columns, self.latency_ms)
        # Rasmussen and Williams, equation 5.12: mean_i = y_i - [K⁻¹ y]_i / [K⁻¹]_ii.
        left_out = targets - self.regressor.alpha_ / np.diag(inverse)
        left_out += self.columns.expected(self.columns.reference)
        return self._in_ms(left_out, np.zeros_like(left_out))[0]

    def _in_ms(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        least = _LEAST_SHARE * self.latency_ms.min()
        if self.columns.form.scale is Scale.LOG:
            # No latency of a space is e¹⁰ times another: what extrapolates so far must not overflow.
            centre = np.log(self.latency_ms).mean()
            return np.maximum(np.exp(np.clip(mean, -10, 10) + centre), least), deviation
        unit = self.latency_ms.mean()
        latency_ms = np.maximum(mean * unit, least)
        return latency_ms, deviation * unit / latency_ms


def _targets(columns: Columns, latency_ms: Array) -> Array:
    """Return how measured latencies, relative to their mean in the form's scale, differ from those expected."""
    expected = columns.expected(columns.reference)
    if columns.form.scale is Scale.MS:
        return np.asarray(latency_ms / latency_ms.mean() - expected)
    return np.asarray(np.log(latency_ms) - np.log(latency_ms).mean() - expected)


def _most_likely(expected: GaussianProcessRegressor) -> Array:
    """Return the kernel's values of the greatest posterior density, from a regressor with those that are expected."""
    kernel = expected.kernel_

    def objective(logarithms: Array) -> tuple[float, Array]:
        likelihood, gradient = expected.log_marginal_likelihood(logarithms, eval_gradient=True, clone_kernel=False)
        away = (logarithms - initial) / _DEVIATION_OF_LOG_VALUES
        return 0.5 * float(away @ away) - likelihood, away / _DEVIATION_OF_LOG_VALUES - gradient

    initial = kernel.theta
    found = minimize(objective, initial, jac=True, method="L-BFGS-B", bounds=kernel.bounds, options={"maxiter": _STEPS})
    return np.asarray(np.exp(found.x))
