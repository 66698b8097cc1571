"""The choice among predictors, and what is said of their quality."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from predictor_cases import members

from supple.errors import SuppleError
from supple.searching.predictors import GaussianProcess, Predictor, Quality, Ridge, Trees, best_predictor
from supple.searching.predictors.predictor import FittedPredictor, Predictions
from supple.searching.predictors.quality import concordances

CANDIDATES = (GaussianProcess(), Ridge(), Trees(trees=20))


@dataclass(frozen=True)
class Ignorant(Predictor):
    """Predicts the mean of what it has seen."""

    name: ClassVar[str] = "ignorant"

    def _fit(self, features, values):
        return FittedIgnorant(features, values)


@dataclass(frozen=True)
class Renamed(Predictor):
    """A predictor of another name."""

    inner: Predictor
    name: ClassVar[str] = "renamed"

    def _fit(self, features, values):
        return self.inner.fit(features, values)


class FittedIgnorant(FittedPredictor):
    def __init__(self, seen, values):
        super().__init__(seen)
        self._mean = values.mean()

    def _predict(self, features):
        return np.full(len(features), self._mean), np.full(len(features), 1.0)


def test_a_clearly_better_predictor_is_chosen():
    features, figures = members(60)
    chosen = best_predictor(features, figures, [Ignorant(), Ridge()])
    assert chosen.name == "ridge"
    assert chosen.quality.kendall_tau > chosen.qualities["ignorant"].kendall_tau


def test_the_first_is_chosen_where_none_is_clearly_better():
    features, figures = members(60)
    # Trees of another seed rank a little better or worse by chance.
    candidates = [Trees(trees=20, seed=seed) for seed in range(2)]
    first, second = (best_predictor(features, figures, [trees]).quality.kendall_tau for trees in candidates)
    assert first != second
    for ordered in (candidates, candidates[::-1]):
        chosen = best_predictor(features, figures, [ordered[0], Renamed(ordered[1])])
        assert chosen.name == "trees"


def test_the_chosen_predictor_has_seen_all_members():
    features, figures = members(60)
    chosen = best_predictor(features, figures, [Ridge()])
    assert (chosen.predict(features).mean == Ridge().fit(features, figures).predict(features).mean).all()


def test_the_quality_is_that_of_members_not_seen():
    features, _ = members(60)
    figures = np.random.default_rng(0).standard_normal(60)
    # Trees know all that they have seen by heart.
    assert best_predictor(features, figures, [Trees(trees=20)]).quality.kendall_tau < 0.4


def test_deviations_are_stretched_where_predictions_were_farther_off():
    features, _ = members(60)
    figures = 2 * np.random.default_rng(0).standard_normal(60)
    chosen = best_predictor(features, figures, [Ignorant()])
    # As if five more members had been as far off as was said.
    assert chosen.stretch == pytest.approx(np.sqrt((5 + np.square(figures).sum()) / 65), rel=0.1)
    assert chosen.predict(features).std == pytest.approx(np.full(60, chosen.stretch))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_few_members_are_enough_to_choose(count):
    features, figures = members(20)
    chosen = best_predictor(features.take(range(count)), figures[:count], CANDIDATES)
    assert np.isfinite(chosen.predict(features)).all()
    assert set(chosen.qualities) == {"gaussian process", "ridge", "trees"}


def test_the_same_seed_makes_the_same_choice():
    features, figures = members(25)
    first, second = (best_predictor(features, figures, CANDIDATES, seed=3) for _ in range(2))
    assert first.qualities == second.qualities
    assert first.stretch == second.stretch


def test_the_choice_prints_a_line_for_each_candidate():
    features, figures = members(30)
    lines = str(best_predictor(features, figures, [GaussianProcess(), Ridge()])).splitlines()
    assert [line.split(":")[0] for line in lines] == ["gaussian process (chosen)", "ridge"]


def test_predictors_of_one_name_are_refused():
    features, figures = members(5)
    with pytest.raises(
        SuppleError,
        match=r"^The predictors to choose from must be at least one, of different names, not \['ridge', 'ridge'\]\.$",
    ):
        best_predictor(features, figures, [Ridge(), Ridge()])


def test_quality_says_what_it_is_of():
    quality = Quality.of(Predictions(np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 0.1])), np.array([1.5, 2.0, 3.0]))
    assert str(quality) == ("Kendall tau 1.000, mean error 0.5, 67% in their 90 % intervals, of 3 members held out")


def test_equal_predictions_rank_nothing():
    assert Quality.of(Predictions(np.ones(3), np.ones(3)), np.arange(3.0)).kendall_tau == 0


def test_concordances_average_to_kendalls_tau():
    rng = np.random.default_rng(0)
    predicted, values = rng.standard_normal(20), rng.standard_normal(20)
    pairs = [(i, j) for i in range(20) for j in range(i)]
    signs = [np.sign((predicted[i] - predicted[j]) * (values[i] - values[j])) for i, j in pairs]
    assert concordances(predicted, values).mean() == pytest.approx(np.mean(signs))
