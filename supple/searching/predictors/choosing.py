"""Which predictor to trust: chosen by how it ranks evaluated members that it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from supple.errors import SuppleError
from supple.searching.predictors.encoder import Array, Features
from supple.searching.predictors.gaussian_process import GaussianProcess
from supple.searching.predictors.predictor import FittedPredictor, Predictions, Predictor, checked_values
from supple.searching.predictors.quality import Quality, concordances
from supple.searching.predictors.ridge import Ridge
from supple.searching.predictors.trees import Trees

PREDICTORS: tuple[Predictor, ...] = (GaussianProcess(), Ridge(), Trees())
"""The candidates, the one expected to be best first. `Networks.pretrained` makes one more for a space."""
_FOLDS = 5
_MOST_COMPARED = 500
# A stretch of deviations is believed as if this many members had shown none to be needed.
_MEMBERS_FOR_NO_STRETCH = 5
_WORST_SCORE = 5.0


@dataclass(frozen=True)
class ChosenPredictor:
    """The predictor that was chosen, fitted to all evaluated members, and the qualities of all candidates by name.

    `stretch` is what its deviations are multiplied by, from how far it was off the members that it had not seen. The
    qualities are those of deviations before.
    """

    name: str
    fitted: FittedPredictor
    qualities: Mapping[str, Quality]
    stretch: float

    @property
    def quality(self) -> Quality:
        """The quality of the predictor that was chosen."""
        return self.qualities[self.name]

    def predict(self, features: Features) -> Predictions:
        """Predict the figure of configs, as `FittedPredictor.predict` does."""
        mean, std = self.fitted.predict(features)
        return Predictions(mean, self.stretch * std)

    def __str__(self) -> str:
        lines = [f"{name}{' (chosen)' * (name == self.name)}: {quality}" for name, quality in self.qualities.items()]
        return "\n".join(lines)


def best_predictor(
    features: Features, values: ArrayLike, predictors: Sequence[Predictor] = PREDICTORS, seed: int = 0
) -> ChosenPredictor:
    """Choose among predictors by cross-validation in five folds, drawn by `seed`, and fit the best to all members.

    The first is chosen unless another ranks members that it has not seen clearly better: by more than one standard
    error of the difference of Kendall's tau (Breiman et al., Classification and Regression Trees, 1984). With a single
    evaluated member there is nothing to compare, and the first is taken. `values` (configs,) are the figures of
    evaluated members. Raises `SuppleError` as `Predictor.fit` does, or where there are no predictors, or two of one
    name.
    """
    names = [predictor.name for predictor in predictors]
    if not names or len(set(names)) < len(names):
        raise SuppleError(f"The predictors to choose from must be at least one, of different names, not {names}.")
    figures = checked_values(values, len(features))
    left_out = [_left_out(predictor, features, figures, seed) for predictor in predictors]
    compared = np.random.default_rng(seed).permutation(len(figures))[:_MOST_COMPARED]
    ranked = [concordances(predictions.mean[compared], figures[compared]) for predictions in left_out]
    bounds = [_lower_bound(one, ranked[0]) for one in ranked]
    best = int(np.argmax(bounds)) if max(bounds) > 0 else 0
    return ChosenPredictor(
        names[best],
        predictors[best].fit(features, figures),
        {name: Quality.of(predictions, figures) for name, predictions in zip(names, left_out, strict=True)},
        _stretch(left_out[best], figures),
    )


def _left_out(predictor: Predictor, features: Features, values: Array, seed: int) -> Predictions:
    """Return what the predictor says of each member without having seen its fold."""
    count = len(values)
    if count == 1:
        return predictor.fit(features, values).predict(features)
    folds = np.random.default_rng(seed).permutation(count) % min(_FOLDS, count)
    mean, std = np.empty(count), np.empty(count)
    for fold in range(folds.max() + 1):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fitted = predictor.fit(features.take(inside), values[inside])
        mean[outside], std[outside] = fitted.predict(features.take(outside))
    return Predictions(mean, std)


def _lower_bound(ranked: Array, first: Array) -> float:
    """Return the gain in tau over the first candidate, less one standard error."""
    gains = ranked - first
    # Each pair counts for both of its members: the projection of a U statistic of two has twice the deviation.
    return float(gains.mean() - 2 * gains.std() / np.sqrt(len(gains)))


def _stretch(left_out: Predictions, values: Array) -> float:
    """Return by what deviations must be multiplied such that members lie as far off as they say."""
    if len(values) == 1:
        return 1.0
    scores = np.abs(values - left_out.mean) / np.maximum(left_out.std, np.finfo(float).tiny)
    squares = np.square(np.minimum(scores, _WORST_SCORE)).sum()
    return float(np.sqrt((_MEMBERS_FOR_NO_STRETCH + squares) / (_MEMBERS_FOR_NO_STRETCH + len(values))))
