"""What tests of searches share: a problem that needs no network, and a search of it."""

import pytest
from search_cases import evaluation_of, make_problem, make_space

from supple.progress import Silent
from supple.searching.engine import run_search
from supple.searching.opening import opened_studies


@pytest.fixture
def space():
    return make_space()


@pytest.fixture
def problem(space):
    return make_problem(space)


@pytest.fixture
def evaluate():
    """Return a function that evaluates configs, one after another, and keeps those that it was given, in `.calls`."""

    def judge(configs):
        for config in configs:
            judge.calls.append(config)
            yield evaluation_of(config)

    judge.calls = []
    return judge


@pytest.fixture
def run():
    """Return a function that searches a problem with an evaluating function, on a study in a file or in memory."""

    def run(problem, evaluate, config, place=None, firsts=()):
        with opened_studies(problem, config, place) as opened:
            return run_search(problem, evaluate, opened, config, Silent(), firsts)

    return run
