"""The contract of every searcher."""

import optuna
import pytest

from supple.searching import SEARCHERS, Nsga2
from supple.searching.study import Study, open_storage


def _make(searcher_class, space, seed=3):
    return searcher_class(space, seed, population=4) if searcher_class is Nsga2 else searcher_class(space, seed)


def _history(searcher, study, evaluate, count):
    configs = []
    for number in range(count):
        trial = searcher.propose(study.optuna, number)
        config = searcher.config_of(trial)
        study.tell(trial, evaluate(config))
        configs.append(config)
    return configs


def _study(space, storage=None):
    return Study(storage or open_storage(None), None, "search", space, "settings")


@pytest.mark.parametrize("searcher_class", SEARCHERS)
def test_proposals_belong_to_the_space(searcher_class, space, evaluate):
    for config in _history(_make(searcher_class, space), _study(space), evaluate, 20):
        assert space.check(config) == config


@pytest.mark.parametrize("searcher_class", SEARCHERS)
def test_the_history_is_a_function_of_the_seed(searcher_class, space, evaluate):
    first, again, other = (
        _history(_make(searcher_class, space, seed), _study(space), evaluate, 16) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("searcher_class", SEARCHERS)
def test_a_new_searcher_goes_on_as_the_old_one_would_have(searcher_class, space, evaluate):
    whole = _history(_make(searcher_class, space), _study(space), evaluate, 16)
    study = _study(space)
    begun = _history(_make(searcher_class, space), study, evaluate, 7)
    resumed = _make(searcher_class, space)
    for number in range(7, 16):
        trial = resumed.propose(study.optuna, number)
        begun.append(resumed.config_of(trial))
        study.tell(trial, evaluate(begun[-1]))
    assert begun == whole


def test_nsga2_breeds_from_the_best(space, evaluate):
    study = _study(space)
    searcher = Nsga2(space, 0, population=8)
    _history(searcher, study, evaluate, 64)
    generations = {trial.system_attrs.get("NSGAIISampler:generation") for trial in study.optuna.trials}
    assert {0, 1, 2} <= generations
    assert isinstance(study.optuna.sampler, optuna.samplers.NSGAIISampler)
