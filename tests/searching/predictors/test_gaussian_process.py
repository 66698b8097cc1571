"""The Gaussian process: its likelihood, its gradient, and what it says where it knows."""

import numpy as np
import pytest
from predictor_cases import members
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal

from supple.searching.predictors import GaussianProcess
from supple.searching.predictors.columns import Blocks, Scaling
from supple.searching.predictors.kernel import Likelihood, MemberKernel


def drawn(count, seed=0):
    features, figures = members(count, seed)
    blocks = Blocks.of(features, Scaling.of(features))
    logarithms = MemberKernel.expected(blocks).logarithms
    logarithms = logarithms + np.random.default_rng(seed).standard_normal(len(logarithms))
    return blocks, (figures - figures.mean()) / figures.std(), logarithms


def test_the_likelihood_is_that_of_the_normal_distribution():
    blocks, targets, logarithms = drawn(20)
    kernel = MemberKernel(logarithms)
    covariance = kernel.covariance(blocks, blocks) + kernel.noise * np.eye(20)
    expected = multivariate_normal(np.zeros(20), covariance).logpdf(targets) + 10 * np.log(2 * np.pi)
    assert Likelihood(blocks, targets)(logarithms)[0] == pytest.approx(expected)


def test_the_gradient_is_that_of_the_likelihood():
    blocks, targets, logarithms = drawn(20)
    likelihood = Likelihood(blocks, targets)
    error = check_grad(lambda x: likelihood(x)[0], lambda x: likelihood(x)[1], logarithms)
    assert error < 1e-4 * np.linalg.norm(likelihood(logarithms)[1])


def test_variances_are_the_diagonal_of_the_covariance():
    blocks, _, logarithms = drawn(15)
    kernel = MemberKernel(logarithms)
    assert kernel.variances(blocks) == pytest.approx(np.diag(kernel.covariance(blocks, blocks)))


def test_a_member_that_was_evaluated_is_surer_than_others():
    features, figures = members(60)
    fitted = GaussianProcess().fit(features.take(range(30)), figures[:30])
    deviations = fitted.predict(features).std
    assert np.median(deviations[:30]) < 0.8 * np.median(deviations[30:])


def test_interactions_are_learnt():
    features, _ = members(300)
    # Wide is good with option 0, and bad with the others: no sum of effects says that.
    figures = features.states[:, 1] * np.where(features.states[:, 4] == 2, 1.0, -1.0)
    fitted = GaussianProcess().fit(features.take(range(200)), figures[:200])
    mean = fitted.predict(features.take(range(200, 300))).mean
    assert np.corrcoef(mean, figures[200:])[0, 1] > 0.95


def test_a_kernel_of_some_members_predicts_from_all():
    features, figures = members(200)
    unseen = features.take(range(150, 200))

    def error(process, count):
        mean = process.fit(features.take(range(count)), figures[:count]).predict(unseen).mean
        return np.abs(mean - figures[150:]).mean()

    few = GaussianProcess(rows_for_kernel=30)
    assert error(few, 150) < 0.7 * error(few, 30)
