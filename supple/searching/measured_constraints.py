"""Whether any member keeps the constraints on figures that must be measured: asked of the cheapest members first."""

import random
from collections.abc import Sequence

from supple.errors import SuppleError
from supple.searching.evaluation import Evaluation
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.wishes import Constraint, Sense
from supple.space import Config

_FEW = 4
_DRAWN = 64


def cheapest_members(problem: Problem, history: History) -> Sequence[Config]:
    """Return a few of the cheapest members, if the smallest one breaks a limit to a cost that is measured, else none.

    The smallest member is not always the fastest; where none of these keeps the limit either, hardly any member does.
    """
    smallest = [entry for entry in history.evaluations if entry.config == problem.space.min()]
    is_broken = any(_breaks(entry, smallest[0]) for entry in _limits(problem)) if smallest else False
    return _cheapest(problem) if is_broken else ()


def check_measured_constraints(problem: Problem, evaluations: Sequence[Evaluation]) -> None:
    """Raise `SuppleError`, with the nearest value, where all members break a limit, the cheapest among them."""
    for constraint in _limits(problem):
        if not evaluations or not all(_breaks(constraint, entry) for entry in evaluations):
            continue
        cheapest = {problem.space.min(), *_cheapest(problem)}
        if cheapest <= {entry.config for entry in evaluations}:
            nearest = min(evaluations, key=lambda entry: entry.figures[constraint.figure])
            raise SuppleError(
                f'No member keeps "{constraint}", the {len(cheapest)} cheapest included: the least measured is '
                f"{nearest.figures[constraint.figure]:g}, of {nearest.config}."
            )


def check_found(problem: Problem, evaluations: Sequence[Evaluation]) -> None:
    """Raise `SuppleError`, with the nearest member, where none that was evaluated keeps all constraints."""
    if not problem.constraints or not evaluations or any(problem.excess(entry) == 0 for entry in evaluations):
        return
    nearest = min(evaluations, key=problem.excess)
    wanted = " and ".join(f'"{entry}"' for entry in problem.constraints)
    figures = dict.fromkeys(entry.figure for entry in problem.constraints)
    has = ", ".join(f"{name} {nearest.figures[name]:g}" for name in figures)
    raise SuppleError(
        f"None of {len(evaluations)} members keeps {wanted}: the nearest has {has}, {nearest.config}. Give the "
        "search a larger budget, or the members more room."
    )


def _limits(problem: Problem) -> list[Constraint]:
    return [
        entry for entry in problem.constraints if entry.sense is Sense.AT_MOST and entry.figure not in problem.known
    ]


def _breaks(constraint: Constraint, evaluation: Evaluation) -> bool:
    return constraint.excess(evaluation.figures[constraint.figure]) > 0


def _cheapest(problem: Problem) -> list[Config]:
    """Return the cheapest of the smallest member's neighbours and of random members."""
    space, rng = problem.space, random.Random(0)
    near = [*space.neighbours(space.min()), *(space.sample(rng) for _ in range(_DRAWN))]
    found = [config for config in dict.fromkeys(near) if config != space.min()]
    cost = problem.cost_proxy()
    return (found if cost is None else sorted(found, key=cost))[:_FEW]
