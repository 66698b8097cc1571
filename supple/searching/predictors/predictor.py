"""The protocol of predictors of a member's figure, such as its accuracy, from the members that were evaluated."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from supple.blas import one_blas_thread
from supple.errors import SuppleError
from supple.searching.predictors.encoder import Array, Features

_ROWS_AT_ONCE = 4096


class Predictions(NamedTuple):
    """What is expected of each config, and its standard deviation: (configs,) each, in the unit of the figure.

    The deviation is that of what an evaluation would give.
    """

    mean: Array
    std: Array


class FittedPredictor(ABC):
    """A predictor that has seen evaluated members. It predicts members of the same space, with the same statistics."""

    def __init__(self, seen: Features) -> None:
        self._expected = (seen.encoder.space, seen.free.shape[1])

    @one_blas_thread()
    def predict(self, features: Features) -> Predictions:
        """Predict the figure of configs. Raises `SuppleError` for another space or another number of statistics."""
        space, statistics = self._expected
        if features.encoder.space != space:
            raise SuppleError(
                f"The features are of space {features.encoder.space.digest}; the predictor was fitted to members of "
                f"{space.digest}."
            )
        if features.free.shape[1] != statistics:
            raise SuppleError(
                f"The configs have {features.free.shape[1]} free statistics; the predictor was fitted to {statistics}."
            )
        parts = [self._predict(part) for part in features.in_parts(_ROWS_AT_ONCE)]
        nothing = (np.zeros(0), np.zeros(0))
        mean, std = (np.concatenate(columns) for columns in zip(nothing, *parts, strict=True))
        return Predictions(mean, std)

    @abstractmethod
    def _predict(self, features: Features) -> tuple[Array, Array]:
        """Return mean and deviation of some thousand configs at most."""


class Predictor(ABC):
    """One way to predict. It is a small frozen dataclass of its settings: `fit` changes nothing in it.

    A search calls `fit` whenever it has evaluated more, then `predict` with very many candidates. The same features,
    values and settings give the same predictions.
    """

    name: ClassVar[str]

    @one_blas_thread()
    def fit(self, features: Features, values: ArrayLike) -> FittedPredictor:
        """Fit to evaluated members and their figures, `values` (configs,).

        One member is enough, and members may repeat. Raises `SuppleError` where there is none, where there are more
        figures than members or fewer, or where a figure is not a finite number.
        """
        return self._fit(features, checked_values(values, len(features)))

    @abstractmethod
    def _fit(self, features: Features, values: Array) -> FittedPredictor:
        """Fit to figures that are known to be good."""


def checked_values(values: ArrayLike, count: int) -> Array:
    """Return figures as an array. Raises `SuppleError` unless there are `count`, at least one, and all are finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,):
        raise SuppleError(f"There are {count} configs, but the values have the shape {list(array.shape)}.")
    if not count:
        raise SuppleError("A predictor needs at least one evaluated member; it got none.")
    if not np.isfinite(array).all():
        raise SuppleError(
            f"Value {int(np.argmin(np.isfinite(array)))} of those evaluated is {array[~np.isfinite(array)][0]}: leave "
            "out members whose evaluation failed."
        )
    return array
