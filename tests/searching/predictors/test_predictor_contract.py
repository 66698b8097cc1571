"""What every predictor must do."""

import numpy as np
import pytest
from predictor_cases import CASES, ENCODER, IDS, free_of, members
from scipy.stats import kendalltau

from supple.errors import SuppleError
from supple.searching.predictors import Encoder
from supple.space import Dimension, Kind, Space

every = pytest.mark.parametrize("predictor", CASES, ids=IDS)


@every
def test_unseen_members_are_ranked(predictor):
    features, figures = members(400)
    fitted = predictor.fit(features.take(range(60)), figures[:60])
    predictions = fitted.predict(features.take(range(60, 400)))
    assert kendalltau(predictions.mean, figures[60:]).statistic > 0.8


@every
def test_deviations_tell_how_far_predictions_are_off(predictor):
    features, figures = members(400, noise=0.5)
    fitted = predictor.fit(features.take(range(80)), figures[:80])
    mean, std = fitted.predict(features.take(range(80, 400)))
    assert 0.75 < np.mean(np.abs(mean - figures[80:]) < 1.645 * std) < 1


@every
def test_larger_figures_mean_larger_predictions_in_any_unit(predictor):
    features, figures = members(80)
    seen, unseen = features.take(range(60)), features.take(range(60, 80))
    mean, std = predictor.fit(seen, figures[:60]).predict(unseen)
    other_mean, other_std = predictor.fit(seen, 1e-6 * figures[:60] - 3).predict(unseen)
    assert 1e6 * (other_mean + 3) == pytest.approx(mean, abs=0.5)
    assert 1e6 * other_std == pytest.approx(std, rel=0.3, abs=0.1)


@every
def test_the_same_members_give_the_same_predictions(predictor):
    features, figures = members(30)
    first, second = (predictor.fit(features, figures).predict(features) for _ in range(2))
    assert (first.mean == second.mean).all()
    assert (first.std == second.std).all()


@every
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_members_are_enough(predictor, count):
    features, figures = members(50)
    mean, std = predictor.fit(features.take(range(count)), figures[:count]).predict(features)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert np.isfinite(std).all()


@every
@pytest.mark.parametrize("value", [0.0, 75.0, -1e9])
def test_equal_figures_are_predicted_everywhere(predictor, value):
    features, _ = members(50)
    mean, std = predictor.fit(features.take(range(10)), np.full(10, value)).predict(features)
    assert mean == pytest.approx(np.full(50, value), abs=1e-5 * max(1, abs(value)))
    assert (std > 0).all()


@every
def test_a_member_that_was_evaluated_often_counts_with_its_mean(predictor):
    features, figures = members(40)
    twice = np.concatenate([np.arange(40), np.zeros(20, int)])
    noisy = figures[twice] + np.concatenate([np.zeros(40), np.tile([0.5, -0.5], 10)])
    mean, _ = predictor.fit(features.take(twice), noisy).predict(features.take([0]))
    assert mean[0] == pytest.approx(figures[0], abs=1.5)


@every
@pytest.mark.parametrize("kind", [Kind.WIDTH, Kind.OPERATOR])
def test_a_space_of_one_dimension_has_predictors(predictor, kind):
    if getattr(predictor, "trunk", None) is not None:
        pytest.skip("it was pretrained on another space")
    encoder = Encoder(Space([Dimension("only", kind, (2, 1, 0) if kind is Kind.OPERATOR else (8, 16, 24))]))
    features = encoder.encode(np.array([[value] for value in encoder.space.dimensions[0].values]))
    mean, _ = predictor.fit(features.take([0, 1, 2, 0, 1, 2]), [1.0, 2.0, 3.0] * 2).predict(features)
    assert (np.diff(mean) > 0).all()


@every
def test_a_space_of_no_choice_has_predictors(predictor):
    if getattr(predictor, "trunk", None) is not None:
        pytest.skip("it was pretrained on another space")
    features = Encoder(Space([])).encode(np.zeros((3, 0), int))
    mean, std = predictor.fit(features, [1.0, 2.0, 3.0]).predict(features)
    assert mean == pytest.approx([2.0] * 3, abs=0.7)
    assert (std > 0.1).all()


@every
def test_free_statistics_that_never_differ_say_nothing(predictor):
    _, figures = members(40)
    values = np.array([[3, 24, 16, 24, 0, 5]])
    flat = ENCODER.encode(np.repeat(values, 40, axis=0), np.full((40, 1), 7.0))
    fitted = predictor.fit(flat, figures)
    far = fitted.predict(ENCODER.encode(values, [[1e6]]))
    assert far.mean[0] == pytest.approx(figures.mean(), abs=2 * figures.std())


@every
def test_no_configs_are_predicted_as_none(predictor):
    features, figures = members(10)
    mean, std = predictor.fit(features, figures).predict(features.take([]))
    assert mean.shape == std.shape == (0,)


@every
def test_figures_that_are_no_numbers_are_refused(predictor):
    features, figures = members(5)
    figures[3] = np.nan
    with pytest.raises(
        SuppleError, match=r"^Value 3 of those evaluated is nan: leave out members whose evaluation failed\.$"
    ):
        predictor.fit(features, figures)


@every
def test_figures_of_other_members_are_refused(predictor):
    features, figures = members(5)
    with pytest.raises(SuppleError, match=r"^There are 5 configs, but the values have the shape \[4\]\.$"):
        predictor.fit(features, figures[:4])


@every
def test_nothing_evaluated_is_refused(predictor):
    features, _ = members(5)
    with pytest.raises(SuppleError, match=r"^A predictor needs at least one evaluated member; it got none\.$"):
        predictor.fit(features.take([]), [])


@every
def test_members_of_another_space_are_refused(predictor):
    features, figures = members(5)
    other = Encoder(Space([Dimension("only", Kind.WIDTH, (8, 16))]))
    with pytest.raises(SuppleError, match=r"^The features are of space \w+; the predictor was fitted to members of "):
        predictor.fit(features, figures).predict(other.encode(np.array([[8]]), [[1.0]]))


@every
def test_other_statistics_are_refused(predictor):
    features, figures = members(5)
    values = np.array([[3, 24, 16, 24, 0, 5]])
    two = ENCODER.encode(values, np.concatenate([free_of(values)] * 2, axis=1))
    with pytest.raises(SuppleError, match=r"^The configs have 2 free statistics; the predictor was fitted to 1\.$"):
        predictor.fit(features, figures).predict(two)
