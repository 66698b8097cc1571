"""How descriptions become the columns of a kernel, and what is expected of them before anything is measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from supple.cost.predictors.descriptions import Array, Descriptions
from supple.cost.predictors.kernel import BlockKernel


class Scale(StrEnum):
    """What is a sum of effects: the latency itself, as of operators that run one after another, or its logarithm."""

    MS = "ms"
    LOG = "log"


@dataclass(frozen=True)
class Form:
    """One way to predict: the scale of the sums, and whether the features count beside costs and sources."""

    scale: Scale
    features: bool


@dataclass(frozen=True)
class Block:
    """Columns that share one linear kernel, with the variance expected of their weights."""

    columns: Array
    variance: float


_MEASUREMENT_VARIANCE = 2e-3  # Of a relative measurement: 4 to 5 % each.
_COST_VARIANCE = 0.3
_MEAN_VARIANCE = 9.0
# Sources leave little to the features; without them, latencies in a space spread by some 30 %.
_FEATURE_VARIANCE = {True: 1e-3, False: 0.1}
_SMOOTH_VARIANCE = {True: 1e-3, False: 0.03}


@dataclass(frozen=True)
class Columns:
    """The columns in one form. What they are scaled by comes from a reference: some configs of the same space."""

    form: Form
    reference: Descriptions

    def __call__(self, configs: Descriptions) -> Array:
        """Return the rows of the configs, (configs, columns)."""
        return np.concatenate([*(block.columns for block in self._linear(configs)), self._smooth(configs)], axis=1)

    def kernel(self) -> BlockKernel:
        """Return the kernel as it is expected before fitting."""
        blocks = list(self._linear(self.reference))
        smooth = self._smooth(self.reference).shape[1]
        values = [block.variance for block in blocks]
        if smooth:
            values += [_SMOOTH_VARIANCE[self._has_sources], 1.0]
        return BlockKernel(
            tuple(block.columns.shape[1] for block in blocks), smooth, np.array([*values, _MEASUREMENT_VARIANCE])
        )

    def expected(self, configs: Descriptions) -> Array:
        """Return what is expected of each config before measuring, in units of the targets: (configs,).

        As the other devices take on average; else half of it grows with the costs, and half is the same for all. Ten
        measurements that happen to fall with the MACs shall not say that more MACs are faster.
        """
        whole = 1.0 if self.form.scale is Scale.MS else 0.0
        if self._has_sources:
            return np.asarray(self._relative(configs.sources, self.reference.sources).mean(axis=1))
        if not configs.widths[1]:
            return np.full(len(configs), whole)
        return np.asarray((whole + self._relative(configs.costs, self.reference.costs).mean(axis=1)) / 2)

    @property
    def _has_sources(self) -> bool:
        return self.reference.widths[2] > 0

    def _linear(self, configs: Descriptions) -> Iterator[Block]:
        yield Block(np.ones((len(configs), 1)), 1.0)
        if configs.costs.shape[1]:
            yield Block(self._relative(configs.costs, self.reference.costs), _COST_VARIANCE)
        if self._has_sources:
            # The empirical covariance of the known devices: a new one is expected to differ from their mean as they do.
            sources = self._relative(configs.sources, self.reference.sources)
            mean = sources.mean(axis=1, keepdims=True)
            yield Block(mean, _MEAN_VARIANCE)
            yield Block((sources - mean) / np.sqrt(sources.shape[1]), 1.0)
        if self.form.features and configs.features.shape[1]:
            yield Block(_standard(configs.features, self.reference.features), _FEATURE_VARIANCE[self._has_sources])

    def _smooth(self, configs: Descriptions) -> Array:
        if not self.form.features:
            return np.zeros((len(configs), 0))
        known = np.concatenate([configs.features, np.log(configs.costs)], axis=1)
        return _standard(known, np.concatenate([self.reference.features, np.log(self.reference.costs)], axis=1))

    def _relative(self, values: Array, reference: Array) -> Array:
        if self.form.scale is Scale.MS:
            return np.asarray(values / reference.mean(axis=0))
        return np.asarray(np.log(values) - np.log(reference).mean(axis=0))


def _standard(values: Array, reference: Array) -> Array:
    """Return columns of mean 0 and deviation 1 on the reference, divided so that a row's squares add up to about 1."""
    deviation = reference.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    return np.asarray((values - reference.mean(axis=0)) / scale / np.sqrt(max(1, values.shape[1])))
