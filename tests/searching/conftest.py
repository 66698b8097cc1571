"""A space whose members need no network: accuracy and latency are functions of the config, known or to be evaluated."""

import pytest

from supple.progress import Silent
from supple.searching.engine import run_search
from supple.searching.evaluation import Evaluation
from supple.searching.opening import opened_studies
from supple.searching.problem import Problem, as_known
from supple.searching.wishes import Direction, Objective
from supple.space import Condition, Dimension, Kind, Space


@pytest.fixture
def space():
    return Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2, 3)),
            Dimension("inner", Kind.HIDDEN, (8, 16, 24), (Condition("depth", 2),)),
            *(Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 72, 8))) for number in range(6)),
        ]
    )


def widths_of(config):
    return [config[f"width{number}"] for number in range(6)]


def accuracy_of(config):
    # Later widths buy more accuracy for the same time, so there is something to find.
    return sum((number + 1) * width**0.5 for number, width in enumerate(widths_of(config))) / 200 + config["depth"] / 50


def time_ms_of(config):
    return sum((6 - number) * width for number, width in enumerate(widths_of(config))) / 100 + config["depth"]


def macs_of(config):
    return 10.0 * sum(widths_of(config)) * config["depth"]


@pytest.fixture
def problem(space):
    """Accuracy and latency are to be evaluated; the multiply-accumulates are known."""
    objectives = (Objective("accuracy", Direction.MAXIMIZE), Objective("latency_ms", Direction.MINIMIZE))
    return Problem(space, objectives, known={"macs": as_known(space, macs_of)})


@pytest.fixture
def evaluate():
    """Return a function that evaluates configs, one after another, and keeps those that it was given, in `.calls`."""

    def judge(configs):
        for config in configs:
            judge.calls.append(config)
            figures = {"accuracy": accuracy_of(config), "latency_ms": time_ms_of(config), "macs": macs_of(config)}
            yield Evaluation(config, figures)

    judge.calls = []
    return judge


@pytest.fixture
def run():
    """Return a function that searches a problem with an evaluating function, on a study in a file or in memory."""

    def run(problem, evaluate, config, place=None, firsts=()):
        with opened_studies(problem, config, place) as opened:
            return run_search(problem, evaluate, opened, config, Silent(), firsts)

    return run
