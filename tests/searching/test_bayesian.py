"""What Bayesian search and LINAS do beyond the contract of all searchers."""

import re

import numpy as np
import pytest
from searcher_cases import ACCURACY, CASES, LATENCY, MACS, case, search

from supple.searching.breeding import Breeder
from supple.searching.dominance import hypervolume
from supple.searching.history import History
from supple.searching.predicting import PredictorKind, build_predictor
from supple.searching.predictors import Ridge
from supple.searching.searchers import build_searcher
from supple.searching.searchers.bayesian import BayesianConfig
from supple.searching.searchers.linas import LinasConfig
from supple.searching.searchers.random_members import RandomConfig
from supple.searching.surrogate import Surrogate
from supple.searching.wishes import Constraint, Sense
from supple.space import Dimension, Kind

WIDTHS = [Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 72, 8))) for number in range(5)]
SETTINGS = [BayesianConfig(population=60, generations=3), LinasConfig(population=60, generations=10)]
both = pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.kind)


def volume(problem, outcomes):
    losses = History(problem, outcomes).losses
    reference = problem.losses([outcomes[0], outcomes[1]]).max(axis=0)
    return hypervolume(losses, reference)


@both
def test_they_find_more_than_random_members(settings):
    widths = case(WIDTHS)
    volumes = [volume(widths.problem, search(widths, which, 20)) for which in (settings, RandomConfig())]
    assert volumes[0] > 1.03 * volumes[1]


@both
def test_constraints_on_known_and_on_measured_figures_are_kept_once_they_are_learnt(settings):
    limits = [Constraint("macs", Sense.AT_MOST, 160), Constraint("latency_ms", Sense.AT_MOST, 90)]
    widths = case(WIDTHS, constraints=limits)
    outcomes = search(widths, settings, 22)
    kept = [widths.problem.excess(outcome) == 0 for outcome in outcomes]
    assert np.mean(kept[14:]) > 0.6


def test_three_objectives_of_which_two_are_unknown():
    three = case(WIDTHS, [ACCURACY, MACS, LATENCY])
    outcomes = search(three, BayesianConfig(population=40, generations=3), 12)
    assert len({outcome.config for outcome in outcomes}) == 14


def test_every_cost_has_a_front_of_its_own():
    planes = case(WIDTHS, [ACCURACY, MACS, LATENCY]).problem.planes
    assert planes == ((0, 1), (0, 2))
    assert case(WIDTHS, [MACS, LATENCY]).problem.planes == ((0, 1),)
    # A member that is best at the sum of both costs, and at neither, is on no front: such ones are not sought.
    three = case(WIDTHS, [ACCURACY, MACS, LATENCY])
    losses = {}
    for settings in (BayesianConfig(population=60, generations=3), RandomConfig()):
        found = History(three.problem, search(three, settings, 24)).losses
        low, high = found[:2].min(axis=0), found[:2].max(axis=0)
        unit = (found - low) / (high - low)
        losses[settings.kind] = [hypervolume(unit[:, plane], np.ones(2)) for plane in planes]
    assert all(ours > theirs for ours, theirs in zip(losses["bayesian"], losses["random"], strict=True))


def test_members_under_evaluation_count_as_believed():
    problem, evaluate = CASES["depths"].problem, CASES["depths"].evaluate
    told = search(CASES["depths"], RandomConfig(), 10)
    pending = [config for config in problem.space if config not in {entry.config for entry in told}][:1]
    breeder = Breeder(problem.space)
    predictors = dict.fromkeys(problem.figures, Ridge())
    alone = Surrogate(History(problem, told), breeder, predictors)
    history = History(problem, told, pending)
    believed = Surrogate(history, breeder, predictors, alone)
    values = problem.values(pending)
    assert believed.expect(values).deviations[0, 0] < alone.expect(values).deviations[0, 0]
    assert evaluate(pending[0]).config == pending[0]


def test_known_figures_are_expected_as_they_are():
    problem = CASES["depths"].problem
    told = search(CASES["depths"], RandomConfig(), 10)
    values = problem.values(list(problem.space)[:20])
    predictors = dict.fromkeys(problem.figures, Ridge())
    expected = Surrogate(History(problem, told), Breeder(problem.space), predictors).expect(values)
    assert expected.means[:, 1].tolist() == problem.known_figures(values)["macs"].tolist()
    assert not expected.deviations[:, 1].any()
    assert expected.deviations[:, 0].all()


@pytest.mark.parametrize("kind", PredictorKind)
def test_every_predictor_serves_linas(kind):
    problem = CASES["depths"].problem
    outcomes = search(CASES["depths"], LinasConfig(round=6, predictor=kind, population=20, generations=2), 10)
    assert len({outcome.config for outcome in outcomes}) == 12
    assert build_predictor(kind, problem, 0).name


@both
def test_the_quality_of_predictions_is_told_for_what_must_be_evaluated(settings):
    problem = CASES["operators"].problem
    outcomes = search(CASES["operators"], RandomConfig(), 20)
    searcher = build_searcher(settings, problem, 0)
    accuracy, macs = searcher.remarks(History(problem, outcomes))
    assert accuracy.startswith("Predictions of accuracy (")
    assert macs.startswith("Predictions of macs (")
    assert float(re.search(r"tau (\d\.\d+)", macs)[1]) > 0.6
    assert searcher.remarks(History(problem, outcomes[:9])) == ()
