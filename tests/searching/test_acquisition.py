"""Expected growth of the hypervolume, against its definition by sampling."""

import numpy as np
import pytest

from supple.searching.acquisition import expected_improvement
from supple.searching.dominance import hypervolume

FRONT = np.array([[0.2, 0.8], [0.4, 0.5], [0.7, 0.1], [0.9, 0.9]])
REFERENCE = np.array([1.0, 1.0])


def sampled(mean, deviation, front, reference, count=4000):
    """Return the mean growth of the hypervolume over samples of a candidate's losses."""
    rng = np.random.default_rng(0)
    before = hypervolume(front, reference)
    draws = mean + deviation * rng.normal(size=(count, len(mean)))
    return float(np.mean([hypervolume(np.vstack([front, draw]), reference) - before for draw in draws]))


@pytest.mark.parametrize("unknown", [[0], [1], [0, 1]])
def test_with_two_losses_the_expectation_is_exact(unknown):
    means = np.array([[0.3, 0.3], [0.5, 0.6], [0.95, 0.05]])
    deviations = np.zeros((3, 2))
    deviations[:, unknown] = 0.15
    found = expected_improvement(means, deviations, FRONT, REFERENCE)
    expected = [sampled(mean, deviation, FRONT, REFERENCE) for mean, deviation in zip(means, deviations, strict=True)]
    assert found == pytest.approx(expected, abs=4e-3)


def test_what_is_known_for_sure_grows_by_what_it_adds():
    means = np.array([[0.3, 0.3], [0.8, 0.8]])
    grown = hypervolume(np.vstack([FRONT, means[:1]]), REFERENCE) - hypervolume(FRONT, REFERENCE)
    assert expected_improvement(means, np.zeros((2, 2)), FRONT, REFERENCE) == pytest.approx([grown, 0.0])


@pytest.mark.parametrize("objectives", [3, 4])
def test_with_several_unknown_losses_it_is_close(objectives):
    rng = np.random.default_rng(1)
    front = rng.uniform(0.3, 1.0, (6, objectives))
    means, reference = rng.uniform(0.2, 0.6, (4, objectives)), np.ones(objectives)
    deviations = np.full((4, objectives), 0.1)
    found = expected_improvement(means, deviations, front, reference)
    expected = [sampled(mean, 0.1, front, reference, 1000) for mean in means]
    assert found == pytest.approx(expected, rel=0.35)
    assert np.array_equal(np.argsort(found)[-1:], np.argsort(expected)[-1:])


def test_without_a_front_all_below_the_reference_counts():
    found = expected_improvement(np.array([[0.5, 0.5]]), np.zeros((1, 2)), np.zeros((0, 2)), REFERENCE)
    assert found == pytest.approx([0.25])


def test_uncertainty_is_worth_something_where_the_mean_is_not():
    means = np.array([[0.4, 0.55], [0.4, 0.55]])
    found = expected_improvement(means, np.array([[0.01, 0.0], [0.3, 0.0]]), FRONT, REFERENCE)
    assert found[0] < found[1]


def test_no_candidates_have_no_improvement():
    nothing = np.zeros((0, 3))
    assert expected_improvement(nothing, nothing, np.ones((1, 3)), np.ones(3)).tolist() == []
