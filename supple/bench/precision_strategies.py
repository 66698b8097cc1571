"""Ways to spend one number of evaluations on shape and precision: together, one after the other, or one alone.

What is looked for is the front of accuracy and one cost.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from supple.bench.precision_judge import ACCURACY, Judge
from supple.progress import Silent
from supple.searching.config import SearchConfig
from supple.searching.engine import run_search
from supple.searching.evaluation import Evaluation
from supple.searching.opening import opened_studies
from supple.searching.problem import Floats, KnownFigure, Problem, Values
from supple.searching.wishes import Direction, Objective
from supple.space import Config, Dimension, Kind, Space

JOINT = "joint"
BITS_ONLY = "bits of the full member"
_SHAPES = 4
_BITS = 8

Strategy = Callable[[Judge, str, int, int], list[Evaluation]]
"""Evaluates so many members of a judge's family by accuracy and a cost, from a seed."""


def joint(judge: Judge, cost: str, budget: int, seed: int) -> list[Evaluation]:
    """Search shape and precision at once."""
    return _searched(judge, cost, judge.family.space, {}, budget, seed)


def shape_then_bits(judge: Judge, cost: str, budget: int, seed: int) -> list[Evaluation]:
    """Search shapes in full precision with half of the budget, then the bits of some on their front with the rest."""
    space = judge.family.space
    first = _searched(judge, cost, _shapes(space), {}, budget // 2, seed)
    front = _spread(first, cost, _SHAPES)
    second: list[Evaluation] = []
    left = budget - len(first)
    for number, member in enumerate(front):
        share = left // (len(front) - number)
        shape = _values(member.config, space, bits=False)
        found = _searched(judge, cost, _bits(space, member.config), shape, share, seed)
        second.extend(found)
        left -= share
    return [*first, *second]


def bits_only(judge: Judge, cost: str, budget: int, seed: int) -> list[Evaluation]:
    """Search the precision of the full network."""
    space = judge.family.space
    return _searched(judge, cost, _bits(space, space.max()), {}, budget, seed)


def shapes_in_int8(judge: Judge, cost: str, budget: int, seed: int) -> list[Evaluation]:
    """Search shapes all of whose layers are in int8."""
    space = judge.family.space
    all_int8 = {entry.name: _BITS for entry in space.dimensions if entry.kind is Kind.BITS}
    return _searched(judge, cost, _shapes(space), all_int8, budget, seed)


STRATEGIES: Mapping[str, Strategy] = {
    JOINT: joint,
    "shape, then bits": shape_then_bits,
    BITS_ONLY: bits_only,
    "int8 of every shape": shapes_in_int8,
}


def _searched(
    judge: Judge, cost: str, space: Space, fixed: Mapping[str, int], budget: int, seed: int
) -> list[Evaluation]:
    """Search some dimensions by the library's default, the others held at `fixed` or at their largest values."""
    whole = judge.family.space
    if len(space) == 0 or space.count() < 4:
        return judge([whole.config({**fixed, **config}) for config in space], cost)
    objectives = (Objective(ACCURACY, Direction.MAXIMIZE), Objective(cost, Direction.MINIMIZE))
    problem = Problem(space, objectives, known=_known(judge, space, fixed))
    settings = SearchConfig(budget=max(4, budget), seed=seed, baseline_share=0)

    def evaluate(configs: Sequence[Config]) -> Iterable[Evaluation]:
        found = judge([whole.config({**fixed, **config}) for config in configs], cost)
        return (replace(entry, config=config) for entry, config in zip(found, configs, strict=True))

    with warnings.catch_warnings(), opened_studies(problem, settings, None) as opened:
        # What is compared here are strategies.
        warnings.filterwarnings("ignore", message="This search has no baseline")
        result = run_search(problem, evaluate, opened, settings, Silent())
    return judge([whole.config({**fixed, **entry.config}) for entry in result.searched], cost)


def _known(judge: Judge, space: Space, fixed: Mapping[str, int]) -> dict[str, KnownFigure]:
    """Return what formulas tell of the members of some dimensions, as every search of a family has it."""
    whole = judge.family.space
    columns = {entry.name: column for column, entry in enumerate(space.dimensions)}

    def of_whole(figure: KnownFigure, values: Values) -> Floats:
        rows = np.empty((len(values), len(whole)), np.int64)
        for column, entry in enumerate(whole.dimensions):
            rows[:, column] = (
                values[:, columns[entry.name]] if entry.name in columns else fixed.get(entry.name, entry.largest)
            )
        return figure(rows)

    return {name: partial(of_whole, figure) for name, figure in judge.known.items()}


def _shapes(space: Space) -> Space:
    return Space(entry for entry in space.dimensions if entry.kind is not Kind.BITS)


def _bits(space: Space, config: Config) -> Space:
    """Return the bits of the layers that a member has."""
    return Space(
        Dimension(entry.name, entry.kind, entry.values)
        for entry in space.dimensions
        if entry.kind is Kind.BITS and space.is_active(entry.name, config)
    )


def _values(config: Config, space: Space, bits: bool) -> dict[str, int]:
    return {name: value for name, value in config.items() if (space[name].kind is Kind.BITS) == bits}


def _spread(members: Sequence[Evaluation], cost: str, count: int) -> list[Evaluation]:
    """Return members of the front, evenly over it, the best among them."""
    best: list[Evaluation] = []
    for entry in sorted(members, key=lambda entry: (entry.figures[cost], -entry.figures[ACCURACY])):
        if not best or entry.figures[ACCURACY] > best[-1].figures[ACCURACY]:
            best.append(entry)
    if len(best) <= count:
        return best
    return [best[round(place * (len(best) - 1) / (count - 1))] for place in range(count)]
