"""Searchers that look at the networks themselves, next to those that see figures alone, on one trained family.

A family of the demo's network is trained for two epochs on the shipped images. Every searcher has the same budget of
evaluations, in which its own looks at data count. The hypervolume is that of accuracy and multiply-accumulates above
the smallest member's accuracy and below the largest member's cost; 100 % is all up to the largest member's accuracy.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.timing import Spread, one_thread
from supple.bench.train_parts import FirstBatches
from supple.data import FashionMnistConfig, load_splits
from supple.family import convert
from supple.models import resnet_demo
from supple.progress import Progress, Silent
from supple.searching.counted import counted_figures
from supple.searching.dominance import hypervolume
from supple.searching.evaluation import Evaluation
from supple.searching.history import History
from supple.searching.networks import Networks
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher
from supple.searching.searchers import SearcherChoice, build_searcher
from supple.searching.searchers.gradient import GradientConfig
from supple.searching.searchers.halving import HalvingConfig
from supple.searching.searchers.nsga2 import Nsga2Config
from supple.searching.searchers.random_members import RandomConfig
from supple.searching.searchers.stratified import StratifiedConfig
from supple.searching.searchers.zero_cost import ZeroCostConfig
from supple.searching.wishes import Direction, Objective
from supple.searching.zero_cost import ScoreName
from supple.searching.zero_cost.comparing import compare_scores
from supple.space import Config
from supple.training import Classification, Precision, TrainConfig, evaluate_together, train

BUDGET = 48
SEEDS = 3
COMPARED = 40
SAMPLES = 32
RIVAL = "stratified"
LOOKING = ("zero_cost", "halving", "gradient")
_OBJECTIVES = (Objective("accuracy", Direction.MAXIMIZE), Objective("macs", Direction.MINIMIZE))


@dataclass(frozen=True)
class Searched:
    """What one search found: its hypervolume in percent, the members that it evaluated, and its own looks."""

    hypervolume: float
    evaluated: int
    looks: float


def run(options: Options, progress: Progress) -> Outcome:
    """Train the family, let every searcher search it, and compare the zero-cost scores on random members of it."""
    with one_thread():
        judge = _Judge(_trained(options))
        settings = _settings(options.quick)
        seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
        progress.start("Searches", len(settings) * len(seeds), "searches")
        found: dict[str, list[Searched]] = {}
        for name, setting in settings.items():
            found[name] = []
            for seed in seeds:
                found[name].append(_search(judge, setting, 6 if options.quick else BUDGET, seed))
                progress.advance()
        progress.finish()
        rows = [_row(name, searched) for name, searched in found.items()]
        scores = _score_rows(judge, options)
    middle = {name: float(np.median([entry.hypervolume for entry in searched])) for name, searched in found.items()}
    # Random members of all costs look at nothing: what looks must beat them.
    wanted = [
        Wanted(f"{name}, median hypervolume (%), against {RIVAL}", middle[name], Bound.AT_LEAST, middle[RIVAL])
        for name in LOOKING
    ]
    return Outcome((*rows, *scores), tuple(wanted))


def _settings(quick: bool) -> dict[str, SearcherChoice]:
    return {
        "random": RandomConfig(),
        "stratified": StratifiedConfig(),
        "nsga2": Nsga2Config(),
        "zero_cost": ZeroCostConfig(pool=4, strata=2) if quick else ZeroCostConfig(),
        "zero_cost, gradsign": ZeroCostConfig(score=ScoreName.GRADSIGN, pool=4, strata=2, samples=2)
        if quick
        else ZeroCostConfig(score=ScoreName.GRADSIGN),
        "halving": HalvingConfig(candidates=4, reduction=2) if quick else HalvingConfig(),
        "gradient": GradientConfig(steps=2, stages=2) if quick else GradientConfig(),
    }


def _trained(options: Options) -> Problem:
    """Return the search of a family that was trained for a short time."""
    splits = load_splits(FashionMnistConfig(valid_fraction=0.2), 128, options.seed)
    parts = (FirstBatches(part, 2) for part in (splits.train, splits.valid)) if options.quick else None
    train_data, valid_data = parts or (splits.train, splits.valid)
    torch.manual_seed(options.seed)
    family = convert(resnet_demo(), splits.example_inputs)
    config = TrainConfig(epochs=1 if options.quick else 2, precision=Precision.FP32, seed=options.seed)
    train(family, train_data, valid_data, config)
    networks = Networks.of(family.eval(), train_data, valid_data, Classification(), 128 if options.quick else 1024)
    known = counted_figures(family, set(), Silent())
    return Problem(family.space, _OBJECTIVES, known=known, networks=networks)


class _Judge:
    """Evaluates each member once, whichever search proposes it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._known: dict[Config, Evaluation] = {}

    def __call__(self, configs: Sequence[Config]) -> list[Evaluation]:
        """Return the evaluations of members."""
        networks = self.problem.networks
        assert networks is not None
        new = [config for config in dict.fromkeys(configs) if config not in self._known]
        if new:
            figures = self.problem.known_figures(self.problem.values(new))
            qualities = evaluate_together(
                networks.family, new, networks.valid_data, networks.task, networks.calibration
            )
            for index, (config, quality) in enumerate(zip(new, qualities, strict=True)):
                known = {name: float(column[index]) for name, column in figures.items()}
                self._known[config] = Evaluation(config, known | {"accuracy": quality})
        return [self._known[config] for config in configs]

    def hypervolume(self, members: Sequence[Evaluation]) -> float:
        """Return the hypervolume of members in percent."""
        small, large = self([self.problem.space.min(), self.problem.space.max()])
        reach = (large["accuracy"] - small["accuracy"]) or 1.0
        losses = np.array(
            [[(small["accuracy"] - entry["accuracy"]) / reach, entry["macs"] / large["macs"]] for entry in members]
        )
        return 100 * hypervolume(losses, np.array([0.0, 1.0]))


def _search(judge: _Judge, setting: SearcherChoice, budget: int, seed: int) -> Searched:
    """Search until members and looks have used the budget up, to within one evaluation."""
    problem = judge.problem
    searcher = build_searcher(setting, problem, seed)
    told = judge([problem.space.max(), problem.space.min()])
    while (left := budget - _spent(searcher, told)) > 0:
        pending: list[Config] = []
        while len(pending) < min(searcher.together, max(1, int(left))):
            pending.append(searcher.propose(History(problem, told, pending)))
        grown = [*told, *judge(pending)]
        # Looks that the budget has no room for would buy members that others do not get.
        while _spent(searcher, grown) > budget + 1:
            grown.pop()
        if len(grown) <= len(told):
            break
        told = grown
    return Searched(judge.hypervolume(told), len(told), searcher.spent(History(problem, told)))


def _spent(searcher: Searcher, told: Sequence[Evaluation]) -> float:
    return len(told) + searcher.spent(History(searcher.problem, told))


def _row(name: str, found: Sequence[Searched]) -> dict[str, Cell]:
    return {
        "name": name,
        "seeds": len(found),
        "hypervolume_%": Spread.of(entry.hypervolume for entry in found),
        "members_evaluated": Spread.of(entry.evaluated for entry in found),
        "looks_in_evaluations": Spread.of(entry.looks for entry in found),
    }


def _score_rows(judge: _Judge, options: Options) -> list[dict[str, Cell]]:
    """Return how well each zero-cost score orders random members of all costs."""
    problem = judge.problem
    networks, cost = problem.networks, problem.cost_proxy()
    assert networks is not None
    rng = random.Random(options.seed)
    drawn = [problem.space.sample(rng, over=cost) for _ in range(2 if options.quick else COMPARED)]
    members = judge([problem.space.max(), problem.space.min(), *drawn])
    table = compare_scores(members, networks, tuple(ScoreName), 2 if options.quick else SAMPLES)
    return [
        {
            "name": f"score {row.score}",
            "kendall_tau": row.kendall_tau,
            "spearman": row.spearman,
            "seconds_per_member": row.seconds_per_member,
        }
        for row in table.rows
    ]
