"""Scales of figures: there and back, densities, and which is chosen."""

import numpy as np
import pytest
from predictor_cases import members
from scipy.integrate import quad
from scipy.stats import norm

from supple.searching.predictors.ridge import best_warp
from supple.searching.predictors.warp import FORMS, Bound, Form, Warp

VALUES = np.array([60.0, 70.0, 74.0, 75.0])
every = pytest.mark.parametrize("form", FORMS, ids=str)


@every
def test_known_figures_have_mean_0_and_deviation_1(form):
    warped = Warp.of(form, VALUES).forward(VALUES)
    assert (np.diff(warped) > 0).all()
    assert warped.mean() == pytest.approx(0, abs=1e-12)
    assert warped.std() == pytest.approx(1)


@every
def test_what_is_certain_comes_back(form):
    warp = Warp.of(form, VALUES)
    mean, std = warp.backward(warp.forward(VALUES), np.zeros(4))
    assert mean == pytest.approx(VALUES)
    assert std == pytest.approx(np.zeros(4), abs=1e-9)


@every
def test_moments_are_those_of_the_distribution(form):
    warp = Warp.of(form, VALUES)

    def figure(point):
        return warp.backward(np.array([point]), np.zeros(1))[0][0]

    mean, std = (part[0] for part in warp.backward(np.array([0.3]), np.array([0.4])))
    density = norm(0.3, 0.4).pdf
    first = quad(lambda point: density(point) * figure(point), -3, 3)[0]
    second = quad(lambda point: density(point) * (figure(point) - first) ** 2, -3, 3)[0]
    assert mean == pytest.approx(first, rel=1e-6)
    assert std == pytest.approx(np.sqrt(second), rel=1e-4)


@every
def test_the_slope_is_that_of_the_scale(form):
    warp = Warp.of(form, VALUES)
    steps = (warp.forward(VALUES + 1e-5) - warp.forward(VALUES - 1e-5)) / 2e-5
    assert warp.log_slope(VALUES) == pytest.approx(np.log(steps), abs=1e-6)


@every
def test_far_extrapolations_stay_finite(form):
    mean, std = Warp.of(form, VALUES).backward(np.array([-1e3, 1e3]), np.array([50.0, 50.0]))
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


def test_equal_figures_have_no_scale():
    warp = Warp.of(Form(Bound.ABOVE, 0.1), np.full(3, 75.0))
    assert warp.backward(np.zeros(1), np.ones(1))[0].tolist() == [75.0]


def test_figures_that_crowd_below_a_bound_get_its_scale():
    features, figures = members(100)
    size = (figures - figures.mean()) / figures.std()
    assert best_warp(features, 90 - np.exp(-size)).bound is Bound.ABOVE
    assert best_warp(features, np.exp(size)).bound is Bound.BELOW


@pytest.mark.parametrize("bound", [Bound.ABOVE, Bound.BELOW])
def test_beyond_the_known_values_the_scale_goes_on_along_its_tangent(bound):
    warp = Warp.of(Form(bound, 0.1), VALUES)
    outwards = 1.0 if bound is Bound.ABOVE else -1.0
    edge = outwards * np.abs(warp.forward(VALUES)[-1 if bound is Bound.ABOVE else 0])
    figures = warp.backward(edge + outwards * np.array([0.0, 1e-4, 1.0, 10.0]), np.zeros(4))[0]
    steps = outwards * (figures[1:] - figures[0])
    assert steps == pytest.approx(steps[0] / 1e-4 * np.array([1e-4, 1.0, 10.0]), rel=1e-6)
    # No bound that was only tried is a limit.
    assert steps[-1] > 0.1 * np.ptp(VALUES)
