"""A scale on which a figure is a sum of effects: accuracies crowd together towards the best that is possible."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from supple.searching.predictors.encoder import Array

_LARGEST_DEVIATION = 1.5
_FARTHEST = 10.0


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
"""What is tried. A bound nearer to the best known value would say that nothing much better can be found."""


@dataclass(frozen=True)
class Warp:
    """Maps figures to a scale of mean 0 and deviation 1 on the known values, and back.

    With a bound, the scale is the logarithm of the distance to it: as the share of errors, not of what is right.
    """

    bound: Bound
    position: float
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
            return cls(Bound.NONE, 0.0, 1.0, float(values[0]), 1.0)
        position = {
            Bound.NONE: 0.0,
            Bound.ABOVE: high + form.margin * unit,
            Bound.BELOW: low - form.margin * unit,
        }[form.bound]
        raw = cls(form.bound, position, unit, 0.0, 1.0)
        warped = raw.forward(values)
        return cls(form.bound, position, unit, float(warped.mean()), float(warped.std()))

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
            return self.unit * (self.centre + self.scale * mean), self.unit * self.scale * deviation
        # The distance to the bound is log-normal. What extrapolates far must not overflow.
        spread = np.minimum(self.scale * deviation, _LARGEST_DEVIATION)
        exponent = np.minimum(self._sign * (self.centre + self.scale * mean), np.log(_FARTHEST))
        distance = self.unit * np.exp(exponent + spread**2 / 2)
        return self.position + self._sign * distance, distance * np.sqrt(np.expm1(spread**2))

    @property
    def _sign(self) -> float:
        return -1.0 if self.bound is Bound.ABOVE else 1.0

    def _distance(self, values: Array) -> Array:
        return np.asarray(self._sign * (values - self.position) / self.unit)
