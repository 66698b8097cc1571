"""A scale on which a figure is a sum of effects: accuracies crowd together towards the best that is possible."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from supple.searching.predictors.encoder import Array

_LARGEST_DEVIATION = 1.5
_FARTHEST = 10.0
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class Bound(StrEnum):
    """On which side figures crowd together."""

    NONE = "none"
    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True)
class Form:
    """A side, and how far its bound lies beyond the known values, as a share of their range."""

    bound: Bound
    margin: float


FORMS = (
    Form(Bound.NONE, 0.0),
    *(Form(bound, margin) for bound in (Bound.ABOVE, Bound.BELOW) for margin in (1.0, 0.3, 0.1)),
)
"""What is tried."""


@dataclass(frozen=True)
class Warp:
    """Maps figures to a scale of mean 0 and deviation 1 on the known values, and back.

    With a bound, the scale is the logarithm of the distance to it: as the share of errors, not of what is right. The
    nearest of the known values is `margin` units away from it.
    """

    bound: Bound
    position: float
    margin: float
    unit: float
    centre: float
    scale: float

    @classmethod
    def of(cls, form: Form, values: Array) -> "Warp":
        """Return the warp of a form for known values (configs,)."""
        low, high = float(values.min()), float(values.max())
        unit = high - low
        if not unit > 1e-12 * max(abs(low), abs(high)):
            # All values are equal: there is no scale to find.
            return cls(Bound.NONE, 0.0, 0.0, 1.0, float(values[0]), 1.0)
        position = {
            Bound.NONE: 0.0,
            Bound.ABOVE: high + form.margin * unit,
            Bound.BELOW: low - form.margin * unit,
        }[form.bound]
        raw = cls(form.bound, position, form.margin, unit, 0.0, 1.0)
        warped = raw.forward(values)
        return cls(form.bound, position, form.margin, unit, float(warped.mean()), float(warped.std()))

    def forward(self, values: Array) -> Array:
        """Return the known values (configs,) on the scale."""
        if self.bound is Bound.NONE:
            return np.asarray((values / self.unit - self.centre) / self.scale)
        # Larger is larger on the scale too.
        return np.asarray((self._sign * np.log(self._distance(values)) - self.centre) / self.scale)

    def log_slope(self, values: Array) -> Array:
        """Return the logarithm of the scale's slope at each value (configs,): densities on it times this are theirs."""
        slope = np.full(len(values), -np.log(self.scale * self.unit))
        return slope if self.bound is Bound.NONE else slope - np.log(self._distance(values))

    def backward(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of figures that are normally distributed on the scale: (configs,) each."""
        if self.bound is Bound.NONE:
            return self._figures(mean), self.unit * self.scale * deviation
        spread = np.minimum(deviation, _LARGEST_DEVIATION / self.scale)
        figures = self._figures(mean[:, None] + spread[:, None] * _NODES)
        expected = figures @ _WEIGHTS
        return expected, np.sqrt(np.square(figures - expected[:, None]) @ _WEIGHTS)

    def _figures(self, points: Array) -> Array:
        """Return the figures at points of the scale.

        Beyond the known values the scale goes on along its tangent: that nothing can be better than a bound which was
        guessed must not be said of any member.
        """
        raw = self.centre + self.scale * points
        if self.bound is Bound.NONE:
            return np.asarray(self.unit * raw)
        # What extrapolates far must not overflow.
        exponent = np.minimum(self._sign * raw, np.log(_FARTHEST))
        nearest = np.log(self.margin)
        distance = np.exp(np.maximum(exponent, nearest)) + self.margin * np.minimum(exponent - nearest, 0.0)
        return np.asarray(self.position + self._sign * self.unit * distance)

    @property
    def _sign(self) -> float:
        return -1.0 if self.bound is Bound.ABOVE else 1.0

    def _distance(self, values: Array) -> Array:
        return np.asarray(self._sign * (values - self.position) / self.unit)
