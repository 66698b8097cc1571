"""Which of the members that a search found are worth shipping."""

from collections.abc import Sequence

from supple.searching.evaluation import Evaluation
from supple.searching.problem import Problem
from supple.searching.result import SearchResult
from supple.searching.wishes import Direction, Objective


def choose_members(result: SearchResult) -> dict[str, Evaluation]:
    """Return members worth shipping: the full network, the cheapest of the front, and a medium one between them.

    "Good" is by the quality (`quality_of`), and "cheap" by the first other objective that is to be minimised. The
    medium member is the best one of the front that costs at most halfway between the other two. The full network is
    there for comparison, even where it breaks a constraint.
    """
    good = quality_of(result.problem)
    others = [entry for entry in result.problem.objectives if entry != good]
    cost = next((entry for entry in others if entry.direction is Direction.MINIMIZE), good)
    full = next(entry for entry in result.searched if entry.config == result.problem.space.max())
    front = result.front_by([good, cost])
    if not front:
        return {"full": full}
    small = min(front, key=lambda entry: entry.figures[cost.figure])
    halfway = (small.figures[cost.figure] + full.figures[cost.figure]) / 2
    between = _between(front, [small, full], good, cost, halfway)
    return {"small": small, **({"medium": between} if between else {}), "full": full}


def quality_of(problem: Problem) -> Objective:
    """Return the objective that costs are set against: the task's metric, or the first that is to be maximised.

    The first of all where there is neither.
    """
    metric = None if problem.networks is None else problem.networks.metric
    objectives = problem.objectives
    maximised = next((entry for entry in objectives if entry.direction is Direction.MAXIMIZE), objectives[0])
    return next((entry for entry in objectives if entry.figure == metric), maximised)


def _between(
    front: Sequence[Evaluation], ends: Sequence[Evaluation], good: Objective, cost: Objective, limit: float
) -> Evaluation | None:
    others = [entry for entry in front if all(entry.config != end.config for end in ends)]
    affordable = [entry for entry in others if entry.figures[cost.figure] <= limit]
    return min(affordable or others, key=lambda entry: good.loss(entry.figures[good.figure]), default=None)
