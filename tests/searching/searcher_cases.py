"""What the contract of searchers is tested on: settings of each, small problems, and a search in its barest form."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from supple.searching.dimensions import searched_space
from supple.searching.evaluation import Evaluation, Failure, Outcome
from supple.searching.history import History
from supple.searching.problem import Problem, as_known
from supple.searching.searchers import build_searcher
from supple.searching.searchers.aging import AgingConfig
from supple.searching.searchers.bayesian import BayesianConfig
from supple.searching.searchers.linas import LinasConfig
from supple.searching.searchers.local import LocalConfig
from supple.searching.searchers.nsga2 import Nsga2Config
from supple.searching.searchers.nsga3 import Nsga3Config
from supple.searching.searchers.optuna_bayesian import OptunaBayesianConfig
from supple.searching.searchers.random_members import RandomConfig
from supple.searching.searchers.stratified import StratifiedConfig
from supple.searching.searchers.tpe import TpeConfig
from supple.searching.wishes import Constraint, Direction, Objective, Sense
from supple.space import Condition, Config, Dimension, Kind, Space

SETTINGS = [
    RandomConfig(),
    StratifiedConfig(strata=4),
    Nsga2Config(population=4),
    Nsga3Config(population=4),
    TpeConfig(startup=4),
    AgingConfig(population=6, tournament=3),
    LocalConfig(starts=4),
    BayesianConfig(initial=4, population=20, generations=2),
    LinasConfig(round=4, population=20, generations=2),
    OptunaBayesianConfig(startup=6),
]
"""Settings of every searcher that needs no networks, small enough that each begins to learn within few members."""

SLOW = {"optuna_bayesian"}
"""Kinds that take a second for a proposal: `make test-all` alone asks them."""

_PROPOSALS = {"optuna_bayesian": 7, "bayesian": 12, "tpe": 14}


def proposals_of(settings):
    """Return how many proposals to ask of a searcher: fewer where each takes long."""
    return _PROPOSALS.get(settings.kind, 22)


@dataclass(frozen=True)
class Case:
    """A problem and what comes of a config."""

    problem: Problem
    evaluate: Callable[[Config], Outcome]


def _widths(config):
    return [value for name, value in config.items() if name.startswith("width")]


def _bits(config):
    return [value for name, value in config.items() if name.endswith(".bits")]


def _bytes(config):
    return float(sum(width * bits / 8 for width, bits in zip(_widths(config), _bits(config), strict=False)))


def _macs(config):
    return float(sum(_widths(config)) * config.get("depth", 1))


def _accuracy(config):
    # An operator in the middle is best, and later widths buy more than earlier ones: there is something to find.
    bought = sum((number + 1) * width**0.5 for number, width in enumerate(_widths(config)))
    lost = sum((number + 1) / bits for number, bits in enumerate(_bits(config)))
    return bought / 100 + config.get("depth", 0) / 20 - abs(config.get("operator", 1) - 1) / 10 - lost


def _latency_ms(config):
    in_bits = sum(bits / 32 for bits in _bits(config))
    return (
        sum(width / (number + 1) for number, width in enumerate(_widths(config))) + 3 * config.get("depth", 1) + in_bits
    )


ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
MACS = Objective("macs", Direction.MINIMIZE)
LATENCY = Objective("latency_ms", Direction.MINIMIZE)


def case(dimensions, objectives=(ACCURACY, MACS), constraints=(), is_known=True, searched=None):
    """Return a case; the multiply-accumulates and bytes are known without an evaluation, where `is_known`.

    `searched` are words for the dimensions that are searched, None for all.
    """
    space = Space(dimensions)
    known = {"macs": as_known(space, _macs), "weights_bytes": as_known(space, _bytes)} if is_known else {}

    def evaluate(config):
        figures = {"accuracy": _accuracy(config), "macs": _macs(config), "latency_ms": _latency_ms(config)}
        return Evaluation(space.check(config), figures | {"weights_bytes": _bytes(config)})

    problem = Problem(searched_space(space, searched), tuple(objectives), tuple(constraints), known)
    return Case(problem, evaluate)


WIDTHS = [Dimension(f"width{number}", Kind.WIDTH, (8, 16, 24, 32)) for number in range(3)]
DEPTHS = [
    Dimension("depth", Kind.DEPTH, (1, 2, 3)),
    Dimension("width0", Kind.WIDTH, (8, 16, 24, 32)),
    Dimension("width1", Kind.WIDTH, (8, 16, 24, 32), (Condition("depth", 2),)),
    Dimension("width2", Kind.WIDTH, (8, 16, 24, 32), (Condition("depth", 3),)),
    Dimension("fixed", Kind.KERNEL, (3,)),
]
OPERATORS = [*WIDTHS, Dimension("operator", Kind.OPERATOR, (3, 2, 1, 0))]
PRECISIONS = [
    *DEPTHS,
    *(Dimension(f"{number}.bits", Kind.BITS, (4, 8, 32), (Condition("depth", number + 1),)) for number in range(3)),
    Dimension("head.bits", Kind.BITS, (8, 32)),
]
MANY_WIDTHS = [Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 72, 8))) for number in range(8)]
ONE_DIMENSION = [Dimension("width", Kind.WIDTH, tuple(range(8, 104, 8)))]

CASES = {
    "depths": case(DEPTHS),
    "operators": case(OPERATORS, is_known=False),
    "one dimension": case(ONE_DIMENSION),
    "shape and precision": case(PRECISIONS, [ACCURACY, LATENCY]),
    "precision alone": case(PRECISIONS, [ACCURACY, LATENCY], searched=["bits"]),
    "shape alone": case(PRECISIONS, searched=["shape"]),
    "one objective": case(DEPTHS, [ACCURACY]),
    "three objectives": case(OPERATORS, [ACCURACY, MACS, LATENCY]),
    "constraints": case(
        DEPTHS, constraints=[Constraint("macs", Sense.AT_MOST, 100), Constraint("latency_ms", Sense.AT_MOST, 30)]
    ),
    "constraints that none keeps": case(
        DEPTHS, constraints=[Constraint("macs", Sense.AT_MOST, 1), Constraint("accuracy", Sense.AT_LEAST, 99)]
    ),
}


def search(
    case, settings, count, seed=3, *, together=None, is_restarted=lambda number: False, fails=lambda config: False
):
    """Propose members as a search does, round after round, and return all outcomes in order.

    After the largest and the smallest member come `count` proposals. `is_restarted` says before which of them the
    process dies: the searcher is then a new one. `fails` says which members cannot be evaluated.
    """
    space = case.problem.space
    searcher = build_searcher(settings, case.problem, seed)
    together = together or searcher.together
    told = [case.evaluate(config) for config in dict.fromkeys([space.max(), space.min()])]
    end = len(told) + count
    while len(told) < end:
        pending: list[Config] = []
        while len(pending) < min(together, end - len(told)):
            if is_restarted(len(told) + len(pending)):
                searcher = build_searcher(settings, case.problem, seed)
            pending.append(searcher.propose(History(case.problem, told, pending)))
        told += [Failure(config, "It broke.") if fails(config) else case.evaluate(config) for config in pending]
    return told


def restarts(seed):
    """Return a function that says yes to a third of all numbers, at random."""
    rng = random.Random(seed)
    return lambda number: rng.random() < 1 / 3
