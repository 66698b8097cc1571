"""Searches on published spaces, where an evaluation is a look-up: what each searcher needs to find the front."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from supple.bench.latency_costs import Integers
from supple.bench.published_spaces import macro_table, ofa_free_costs, ofa_oracle
from supple.progress import Silent
from supple.searching import SearchConfig
from supple.searching.dominance import Floats, hypervolume, hypervolume_curve
from supple.searching.engine import run_search
from supple.searching.evaluation import Evaluation
from supple.searching.opening import opened_studies
from supple.searching.problem import Floats as Figures
from supple.searching.problem import Problem, Values
from supple.searching.wishes import Direction, Objective
from supple.space import Config, Space

OBJECTIVES = (Objective("accuracy", Direction.MAXIMIZE), Objective("macs", Direction.MINIMIZE))


@dataclass(frozen=True)
class PublishedSearch:
    """A space with accuracies that are looked up, and MACs and parameters that are known beforehand.

    `reference` is the worst corner that hypervolumes are measured from, (accuracy as a loss, MACs); `unit` is what they
    are told in.
    """

    space: Space
    accuracies: Callable[[Values], Floats]
    costs: Callable[[Values], Integers]
    reference: Floats
    unit: float

    def problem(self) -> Problem:
        """Return what searchers are told."""
        return Problem(self.space, OBJECTIVES, known=_columns(self.costs, ("macs", "parameters")))

    def evaluate(self, configs: Sequence[Config]) -> Iterator[Evaluation]:
        """Yield the figures of members."""
        problem = Problem(self.space, OBJECTIVES)
        for config in configs:
            # One by one: a product of matrices rounds by its size, and nothing must depend on who is beside whom.
            values = problem.values([config])
            macs, parameters = map(float, self.costs(values)[0])
            accuracy = float(self.accuracies(values)[0])
            yield Evaluation(config, {"accuracy": accuracy, "macs": macs, "parameters": parameters})

    def losses(self, values: Values) -> Floats:
        """Return the objectives of members, (members, 2), less of both is better."""
        accuracies = [self.accuracies(row[None, :])[0] for row in values]
        return np.stack([-np.array(accuracies), self.costs(values)[:, 0].astype(float)], axis=1)

    def curve(self, losses: Floats) -> NDArray[np.float64]:
        """Return the hypervolume after each evaluation, in the unit."""
        return np.array(hypervolume_curve(losses, self.reference)) / self.unit


def macro_search() -> PublishedSearch:
    """Return NAS-Bench-Macro: the unit is the hypervolume of its exact front.

    Raises `TablesMissingError` where the table is absent.
    """
    table = macro_table()
    rows = {row.tobytes(): position for position, row in enumerate(np.ascontiguousarray(table.values, np.int64))}
    costs = np.stack([table.macs, table.parameters], axis=1)

    def positions(values: Values) -> NDArray[np.intp]:
        return np.array([rows[row.tobytes()] for row in np.ascontiguousarray(values, np.int64)], np.intp)

    losses = np.stack([-table.top1_percent, table.macs.astype(float)], axis=1)
    reference = losses.max(axis=0)
    return PublishedSearch(
        table.space,
        lambda values: table.top1_percent[positions(values)],
        lambda values: costs[positions(values)],
        reference,
        hypervolume(losses, reference),
    )


def ofa_search() -> PublishedSearch:
    """Return OFA-MobileNetV3 with its own predictor as the oracle: the unit is points of accuracy times million MACs.

    The reference is that of published searches, 600 million MACs and 70 %. Raises `TablesMissingError` where the oracle
    is absent.
    """
    oracle = ofa_oracle()
    return PublishedSearch(oracle.space, oracle.top1_percent, ofa_free_costs, np.array([-70.0, 600e6]), 1e6)


def searched(published: PublishedSearch, searcher: object, budget: int, seed: int) -> Floats:
    """Return the losses of what one of our searchers evaluates, in order, (members, objectives); without a baseline."""
    config = SearchConfig.model_validate(
        {"searcher": searcher, "budget": budget, "seed": seed, "baseline_share": 0, "objectives": ["accuracy", "macs"]}
    )
    problem = published.problem()
    with warnings.catch_warnings(), opened_studies(problem, config, None) as opened:
        # What is compared here are searchers; random members are one of them.
        warnings.filterwarnings("ignore", message="This search has no baseline")
        found = run_search(problem, published.evaluate, opened, config, Silent())
    return problem.losses(found.searched)


def pymoo_searched(published: PublishedSearch, budget: int, seed: int) -> Floats:
    """Return the losses of what pymoo's NSGA-II evaluates, in order and each distinct member once.

    Of 50 members, with integer crossover and mutation as pymoo's documentation has them. Raises `ImportError` where
    pymoo is not installed.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    space = published.space
    sizes = np.array([len(entry.values) for entry in space.dimensions])
    found: dict[Config, Floats] = {}

    def evaluate(positions: NDArray[np.int64]) -> Floats:
        losses = []
        for row in positions:
            config = space.config(
                {entry.name: entry.values[int(index)] for entry, index in zip(space.dimensions, row, strict=True)}
            )
            if config not in found:
                found[config] = published.losses(Problem(space, OBJECTIVES).values([config]))[0]
            losses.append(found[config])
        return np.array(losses)

    class Search(PymooProblem):  # type: ignore[misc]  # pymoo has no types
        def __init__(self) -> None:
            super().__init__(n_var=len(sizes), n_obj=2, xl=0, xu=sizes - 1, vtype=int)

        def _evaluate(self, x: NDArray[np.int64], out: dict[str, Floats], *_: object, **__: object) -> None:
            out["F"] = evaluate(x)

    evaluate(np.array([sizes - 1, np.zeros_like(sizes)]))
    algorithm = NSGA2(
        pop_size=50,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=3, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(Search(), algorithm, ("n_eval", budget), seed=seed)
    return np.array(list(found.values()))[:budget]


def _columns(costs: Callable[[Values], Integers], names: Sequence[str]) -> Mapping[str, Callable[[Values], Figures]]:
    """Return each column of costs as a function; columns of the same values are computed once."""
    last: list[tuple[Values, Integers]] = []

    def column(position: int, values: Values) -> Figures:
        if not last or last[0][0] is not values:
            last[:] = [(values, costs(values))]
        return np.asarray(last[0][1][:, position], float)

    return {name: partial(column, position) for position, name in enumerate(names)}
