"""The covariance of members' figures: sums of effects, a smooth function of what is free, and smooth interactions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotri

from supple.searching.predictors.columns import Blocks
from supple.searching.predictors.encoder import Array
from supple.space import Kind

_EXPECTED, _EXPECTED_FAINT, _EXPECTED_NOISE = -1.0, -4.0, -4.0


@dataclass(frozen=True)
class MemberKernel:
    """k(x, x') = 1 + sum_b v_b <x_b, x'_b> + sum_s v_s exp(-sum_g w_g |x_g - x'_g|²), + noise where x is x'.

    b are blocks: the levels of each kind of dimension, totals, curvatures, absences, free statistics. s are two smooth
    functions, one of the free statistics and one of the whole member, with a weight w_g (an inverse squared length) for
    each block g of theirs. The 1 is the variance of the mean. `logarithms` are those of all v, w and the noise, in that
    order. With few members, effects of one kind share one variance: each dimension's own could not be learnt.
    """

    logarithms: Array

    @classmethod
    def expected(cls, blocks: Blocks, faint: Kind | None = None) -> "MemberKernel":
        """Return the kernel as it is expected before anything is evaluated, for figures of variance 1.

        Dimensions of the kind `faint` are expected to change the figure less than others do, where there are others.
        """
        less = blocks.levels.get(faint) if faint is not None and len(blocks.levels) > 1 else None
        expected = []
        for block in blocks.linear():
            expected.append(_EXPECTED_FAINT if block is less else _EXPECTED)
        for group in blocks.smooth():
            expected.append(_EXPECTED)
            expected.extend(_EXPECTED_FAINT if block is less else _EXPECTED for block in group)
        return cls(np.array([*expected, _EXPECTED_NOISE]))

    @property
    def noise(self) -> float:
        """The variance of what no other member tells."""
        return float(np.exp(self.logarithms[-1]))

    def covariance(self, rows: Blocks, others: Blocks) -> Array:
        """Return the covariances (rows, others), without the noise."""
        linear, smooth = self._split(rows)
        total = 1 + _weighted(rows.linear(), linear) @ _weighted(others.linear(), linear).T
        for (variance, weights), group, other in zip(smooth, rows.smooth(), others.smooth(), strict=True):
            distances = _squared_distances(_weighted(group, weights), _weighted(other, weights))
            np.negative(distances, out=distances)
            total += variance * np.exp(distances, out=distances)
        return np.asarray(total)

    def variances(self, rows: Blocks) -> Array:
        """Return the variance of each row, without the noise."""
        linear, smooth = self._split(rows)
        return np.asarray(
            1 + np.square(_weighted(rows.linear(), linear)).sum(axis=1) + sum(variance for variance, _ in smooth)
        )

    def _split(self, blocks: Blocks) -> tuple[Array, list[tuple[float, Array]]]:
        values = np.exp(self.logarithms)
        position = len(blocks.linear())
        linear, smooth = values[:position], []
        for group in blocks.smooth():
            smooth.append((float(values[position]), values[position + 1 : position + 1 + len(group)]))
            position += 1 + len(group)
        return linear, smooth


class Likelihood:
    """How likely some figures are under each kernel, and in which direction they become likelier."""

    def __init__(self, blocks: Blocks, targets: Array) -> None:
        self._targets = targets
        self._products = [block @ block.T for block in blocks.linear()]
        self._distances = [[_squared_distances(block, block) for block in group] for group in blocks.smooth()]

    def __call__(self, logarithms: Array) -> tuple[float, Array]:
        """Return the log marginal likelihood and its gradient by the logarithms of a kernel.

        (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 5.8 and 5.9.)
        """
        values = np.exp(logarithms)
        count = len(self._targets)
        total = 1.0 + values[-1] * np.eye(count)
        position = 0
        for product in self._products:
            total += values[position] * product
            position += 1
        parts = []
        for group in self._distances:
            weights = values[position + 1 : position + 1 + len(group)]
            exponent = sum(weight * distances for weight, distances in zip(weights, group, strict=True))
            parts.append(values[position] * np.exp(-np.asarray(exponent)))
            total += parts[-1]
            position += 1 + len(group)
        lower = np.linalg.cholesky(total)
        inverse = _inverse(lower)
        solved = inverse @ self._targets
        likelihood = -0.5 * float(self._targets @ solved) - float(np.log(np.diag(lower)).sum())
        # dL/dθ = tr((a a' - K⁻¹) dK/dθ) / 2 with a = K⁻¹ y.
        weight = (np.outer(solved, solved) - inverse) / 2
        gradient = [float(np.vdot(weight, product)) for product in self._products]
        for part, group in zip(parts, self._distances, strict=True):
            weighted = weight * part
            gradient.append(float(weighted.sum()))
            gradient.extend(-float(np.vdot(weighted, distances)) for distances in group)
        gradient.append(float(np.trace(weight)))
        scale = values.copy()
        position = len(self._products)
        for group in self._distances:
            scale[position] = 1.0  # its part holds the variance already
            position += 1 + len(group)
        return likelihood, scale * np.array(gradient)


def _inverse(lower: Array) -> Array:
    inverse = dpotri(lower, lower=1)[0]
    return np.asarray(np.tril(inverse) + np.tril(inverse, -1).T)


def _weighted(blocks: Sequence[Array], weights: Array) -> Array:
    return np.concatenate([np.sqrt(weight) * block for weight, block in zip(weights, blocks, strict=True)], axis=1)


def _squared_distances(rows: Array, others: Array) -> Array:
    distances = rows @ (-2 * others.T)
    distances += np.square(rows).sum(axis=1)[:, None]
    distances += np.square(others).sum(axis=1)
    return np.maximum(distances, 0.0, out=distances)
