"""The Gaussian process: its likelihood, its gradient, and what it says where it knows."""

import numpy as np
import pytest
from predictor_cases import members
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal

from supple.cost.config_arrays import random_values
from supple.searching.predictors import Encoder, GaussianProcess
from supple.searching.predictors.columns import Blocks, Scaling
from supple.searching.predictors.kernel import Likelihood, MemberKernel
from supple.space import Dimension, Kind, Space


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


BITS = [Dimension(f"bits.{layer}", Kind.BITS, (8, 32)) for layer in range(4)]
WIDTHS = [Dimension(f"width.{layer}", Kind.WIDTH, (8, 16, 24)) for layer in range(4)]
PRECISION = Encoder(Space([*WIDTHS, *BITS]))
FAINT = GaussianProcess(faint=Kind.BITS)


def with_bits(count):
    """Return random members of eight dimensions, the last four those of bits."""
    values = random_values(PRECISION.space, count, np.random.default_rng(5))
    return PRECISION.encode(values), values


def test_few_members_say_more_of_those_that_differ_in_a_faint_kind_alone():
    features, values = with_bits(8)
    figures = values[:, :4].sum(axis=1)
    others = values.copy()
    others[:, 4:] = 40 - others[:, 4:]
    unseen = PRECISION.encode(others)

    def surprise(process):
        predictions = process.fit(features, figures).predict(unseen)
        return np.abs(predictions.mean - figures).mean(), predictions.std.mean()

    assert np.less(surprise(FAINT), surprise(GaussianProcess())).all()


def test_members_show_that_a_faint_kind_matters():
    features, values = with_bits(60)
    figures = values[:, 4:].sum(axis=1)
    mean = FAINT.fit(features.take(range(30)), figures[:30]).predict(features.take(range(30, 60))).mean
    assert np.corrcoef(mean, figures[30:])[0, 1] > 0.99


def test_a_kind_that_stands_alone_is_not_faint():
    features = Encoder(Space(BITS)).encode(with_bits(8)[1][:, 4:])
    blocks = Blocks.of(features, Scaling.of(features))
    alone, usual = MemberKernel.expected(blocks, Kind.BITS), MemberKernel.expected(blocks)
    assert alone.logarithms.tolist() == usual.logarithms.tolist()
