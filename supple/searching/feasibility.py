"""Whether any member keeps the constraints, as far as formulas tell: asked before anything is evaluated."""

import random
from collections.abc import Callable, Sequence

import numpy as np

from supple.cost.config_arrays import configs_of
from supple.errors import SuppleError
from supple.searching.problem import Floats, Problem, Values
from supple.searching.wishes import Constraint, Sense

_DRAWN = 256
_ROUNDS = 200
_KEPT = 32


def check_known_constraints(problem: Problem) -> None:
    """Raise `SuppleError` where no member was found that keeps the constraints on known figures.

    The message holds the nearest value that a member has. First each constraint is tried by itself, then all together;
    the search for such a member goes downhill from random members and from the largest and the smallest one.
    """
    known = [entry for entry in problem.constraints if entry.figure in problem.known]
    for entry in known:
        best, value = _nearest(problem, [entry])
        if value > 0:
            raise _refusal(problem, entry, best, ())
    for number, entry in enumerate(known[1:], start=1):
        best, value = _nearest(problem, known[: number + 1])
        if value > 0:
            raise _refusal(problem, entry, best, known[:number])


def _refusal(problem: Problem, broken: Constraint, best: Values, others: Sequence[Constraint]) -> SuppleError:
    values = best[None, :]
    config = configs_of(problem.space, values)[0]
    figures = {name: float(column[0]) for name, column in problem.known_figures(values).items()}
    if not others:
        extreme = "least" if broken.sense is Sense.AT_MOST else "most"
        return SuppleError(
            f'No member keeps "{broken}": the {extreme} found is {figures[broken.figure]:g}, of {config}.'
        )
    together = " and ".join(f'"{entry}"' for entry in (*others, broken))
    has = ", ".join(f"{entry.figure} {figures[entry.figure]:g}" for entry in (*others, broken))
    return SuppleError(f"No member was found that keeps {together}: the nearest has {has}, {config}.")


def _nearest(problem: Problem, constraints: Sequence[Constraint]) -> tuple[Values, float]:
    """Return the values of the member that breaks these constraints least, and by how much."""

    def excess(values: Values) -> Floats:
        total = np.zeros(len(values))
        for entry in constraints:
            figure = np.asarray(problem.known[entry.figure](values), float)
            beyond = figure - entry.limit if entry.sense is Sense.AT_MOST else entry.limit - figure
            total += np.maximum(beyond, 0.0) / (abs(entry.limit) or 1.0)
        return total

    return _downhill(problem, excess)


def _downhill(problem: Problem, excess: Callable[[Values], Floats]) -> tuple[Values, float]:
    space, rng = problem.space, random.Random(0)
    configs = [space.max(), space.min(), *(space.sample(rng) for _ in range(_DRAWN))]
    values = np.unique(problem.values(configs), axis=0)
    found = excess(values)
    for _ in range(_ROUNDS):
        best = np.argsort(found, kind="stable")[:_KEPT]
        if found[best[0]] == 0:
            break
        around = [near for config in configs_of(space, values[best]) for near in space.neighbours(config)]
        grown = np.unique(np.concatenate([values[best], problem.values(around)]), axis=0)
        judged = excess(grown)
        if judged.min() >= found.min():
            break
        values, found = grown, judged
    best_index = int(np.argmin(found))
    return values[best_index], float(found[best_index])
