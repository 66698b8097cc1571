"""From the settings of a family's search to what it is about: asked before training too, for it evaluates nothing."""

from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime import parse_target
from supple.searching.config import SearchConfig
from supple.searching.counted import COUNTED, counted_figures
from supple.searching.feasibility import check_known_constraints
from supple.searching.judging import ENERGY, LATENCY
from supple.searching.problem import Problem
from supple.searching.wishes import (
    Direction,
    Vocabulary,
    parse_constraint,
    parse_objective,
    target_of,
    understand_constraints,
    understand_objectives,
)
from supple.training import Classification
from supple.training.task import Task


def family_problem(
    family: Family, config: SearchConfig, task: Task = Classification(), progress: Progress = Silent()
) -> Problem:
    """Return what a search of a family would be about.

    Raises `SuppleError` for figures that nobody knows, for constraints that contradict each other, and for those on
    counted figures that no member keeps (with the nearest that one keeps).
    """
    metric = Direction.MAXIMIZE if task.higher_is_better else Direction.MINIMIZE
    directions = {task.metric: metric, LATENCY: Direction.MINIMIZE, ENERGY: Direction.MINIMIZE}
    directions |= dict.fromkeys(COUNTED, Direction.MINIMIZE)
    targets = tuple(str(parse_target(address)) for address in config.targets)
    vocabulary = Vocabulary(directions, frozenset({LATENCY, ENERGY}), targets)
    objectives = understand_objectives(config.objectives or (task.metric, LATENCY), vocabulary)
    constraints = understand_constraints(config.constraints, vocabulary)
    names = {parse_objective(text)[0] for text in config.objectives}
    names |= {parse_constraint(text)[0] for text in config.constraints}
    problem = Problem(family.space, objectives, constraints, counted_figures(family, names, progress))
    check_known_constraints(problem)
    return problem


def targets_of(config: SearchConfig, problem: Problem) -> tuple[str, ...]:
    """Return every target that a search speaks of, the one that ships first."""
    given = (str(parse_target(address)) for address in config.targets)
    objectives, constraints = problem.objectives, problem.constraints
    named = (target_of(figure) for figure in (*(o.figure for o in objectives), *(c.figure for c in constraints)))
    return tuple(dict.fromkeys([*given, *filter(None, named)]))
