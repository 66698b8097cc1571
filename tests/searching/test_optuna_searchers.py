"""Optuna's searchers: what their samplers are told, and that they learn from it."""

import numpy as np
import pytest
from optuna.trial import TrialState
from searcher_cases import CASES, OPERATORS, case, restarts, search

from supple.searching.dominance import hypervolume
from supple.searching.history import History
from supple.searching.searchers.nsga2 import Nsga2, Nsga2Config
from supple.searching.searchers.nsga3 import Nsga3Config, divisions
from supple.searching.searchers.optuna_bayesian import OptunaBayesianConfig
from supple.searching.searchers.random_members import RandomConfig
from supple.searching.searchers.tpe import Tpe, TpeConfig
from supple.searching.wishes import Constraint, Sense
from supple.space import Dimension, Kind

MORE_WIDTHS = [Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 40, 4))) for number in range(3, 8)]


@pytest.mark.parametrize(
    ("told", "generations"), [(3, [3]), (4, [4]), (6, [6]), (8, [4, 4]), (11, [7, 4]), (12, [4, 4, 4])]
)
def test_a_generation_ends_with_the_last_member_that_was_evaluated(told, generations):
    entry = CASES["operators"]
    outcomes = search(entry, RandomConfig(), 10)[:told]
    study = Nsga2(entry.problem, 0, Nsga2Config(population=4)).copy_of(History(entry.problem, outcomes))
    found = [trial.system_attrs["NSGAIISampler:generation"] for trial in study.get_trials()]
    assert found == [number for number, members in enumerate(generations) for _ in range(members)]


def test_samplers_are_told_losses_and_the_excess_and_nothing_of_failures():
    entry = CASES["constraints"]
    outcomes = search(entry, RandomConfig(), 10, fails=lambda config: config["depth"] == 1)
    history = History(entry.problem, outcomes)
    trials = Tpe(entry.problem, 0).copy_of(history).get_trials()
    assert len(trials) == len(history.evaluations) < len(outcomes)
    assert [trial.values for trial in trials] == history.losses.tolist()
    assert [trial.constraints["excess"] for trial in trials] == history.excess.tolist()


def test_nothing_is_left_running_in_the_copy():
    entry = CASES["operators"]
    searcher = Tpe(entry.problem, 0, TpeConfig(startup=2))
    outcomes = search(entry, RandomConfig(), 6)
    history = History(entry.problem, outcomes[:6], [entry.config for entry in outcomes[6:]])
    searcher.propose(history)
    study = searcher.copy_of(history)
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 6


def _area(entry, outcomes):
    history = History(entry.problem, outcomes)
    return hypervolume(history.losses[history.excess == 0], np.array([0.0, 400.0]))


@pytest.mark.parametrize("settings", [Nsga2Config(), Nsga3Config(), TpeConfig()], ids=lambda settings: settings.kind)
@pytest.mark.parametrize("constraints", [(), (Constraint("macs", Sense.AT_MOST, 120),)], ids=["free", "constrained"])
def test_it_finds_more_than_random_search(settings, constraints):
    entry = case([*OPERATORS, *MORE_WIDTHS], constraints=constraints)
    count = 60 if settings.kind == "tpe" else 96
    learnt, drawn = (
        sum(_area(entry, search(entry, one, count, seed=seed)) for seed in range(2))
        for one in (settings, RandomConfig())
    )
    assert learnt > drawn


@pytest.mark.parametrize(
    ("objectives", "population", "parts"), [(1, 12, 1), (2, 12, 11), (3, 12, 3), (3, 15, 4), (4, 2, 1)]
)
def test_there_are_about_as_many_reference_directions_as_members(objectives, population, parts):
    assert divisions(objectives, population) == parts


def test_bayesian_proposals_of_one_round_differ_and_are_the_same_after_a_restart():
    entry = CASES["three objectives"]
    settings = OptunaBayesianConfig(startup=6)
    whole = search(entry, settings, 6, together=2)
    assert len({found.config for found in whole}) == 8
    assert search(entry, settings, 6, together=2, is_restarted=restarts(1)) == whole
