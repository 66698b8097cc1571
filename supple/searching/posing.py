"""From settings to what a search is about: asked before training too, for it evaluates nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime import check_formats, parse_target
from supple.searching.config import SearchConfig
from supple.searching.counted import COUNTED, counted_figures
from supple.searching.dimensions import searched_space
from supple.searching.feasibility import check_known_constraints
from supple.searching.judging import LATENCY, MEASURED
from supple.searching.networks import figure_of
from supple.searching.problem import KnownFigure, Problem, as_known
from supple.searching.wishes import (
    Direction,
    Vocabulary,
    parse_constraint,
    parse_objective,
    target_of,
    understand_constraints,
    understand_objectives,
)
from supple.space import Config, Space
from supple.training import Classification
from supple.training.task import Task

Cost = Callable[[Config], float]
"""A figure of a config that takes no time; less is better."""

_KNOWN_DIRECTIONS = {"accuracy": Direction.MAXIMIZE}


def family_problem(
    family: Family,
    config: SearchConfig,
    task: Task = Classification(),
    measures: Iterable[str] = (),
    costs: Mapping[str, Cost] = {},
    progress: Progress = Silent(),
) -> Problem:
    """Return what a search of a family is about; `measures` are the names of the caller's own, `costs` are theirs.

    Its space is the part of the family's that is searched. Raises `SuppleError` for dimensions that there are none of,
    for figures that nobody knows, for constraints that contradict each other, and for those on
    known figures that no member keeps (with the nearest that one keeps).
    """
    space = searched_space(family.space, config.dimensions)
    metric = figure_of(task)
    directions = {metric: Direction.MAXIMIZE if task.higher_is_better else Direction.MINIMIZE}
    directions |= dict.fromkeys((*MEASURED, *COUNTED), Direction.MINIMIZE)
    targets = tuple(str(parse_target(address)) for address in config.targets)
    words = Vocabulary(_with_own(directions, measures, costs), frozenset(MEASURED), targets)
    names = {parse_objective(text)[0] for text in config.objectives}
    names |= {parse_constraint(text)[0] for text in config.constraints}
    known = counted_figures(family, names, progress) | _known(family.space, costs)
    return _posed(space, config, words, (metric, LATENCY), known)


def space_problem(space: Space, config: SearchConfig, measures: Iterable[str], costs: Mapping[str, Cost]) -> Problem:
    """Return what a search of a space without a family is about; raises as `family_problem` does."""
    searched = searched_space(space, config.dimensions)
    measures = tuple(measures)
    if not measures:
        raise SuppleError(
            'A space without a family has no figures of its own: give measures={"accuracy": function of a config}, and '
            "costs in the same way."
        )
    words = Vocabulary(_with_own({}, measures, costs))
    return _posed(searched, config, words, (*measures, *costs), _known(space, costs))


def targets_of(config: SearchConfig, problem: Problem) -> tuple[str, ...]:
    """Return every target that a search speaks of, the one that ships first."""
    given = (str(parse_target(address)) for address in config.targets)
    named = filter(None, map(target_of, problem.figures))
    return tuple(dict.fromkeys([*given, *named]))


def check_precisions(family: Family, problem: Problem, targets: Iterable[str]) -> None:
    """Raise `SuppleError` where precision is searched and a target cannot run one that the family offers."""
    if problem.searches_precision:
        for address in targets:
            check_formats(family, parse_target(address))


def _posed(
    space: Space, config: SearchConfig, words: Vocabulary, default: Sequence[str], known: Mapping[str, KnownFigure]
) -> Problem:
    objectives = understand_objectives(config.objectives or default, words)
    problem = Problem(space, objectives, understand_constraints(config.constraints, words), known)
    check_known_constraints(problem)
    return problem


def _known(space: Space, costs: Mapping[str, Cost]) -> dict[str, KnownFigure]:
    return {name: as_known(space, cost) for name, cost in costs.items()}


def _with_own(
    directions: Mapping[str, Direction], measures: Iterable[str], costs: Iterable[str]
) -> dict[str, Direction | None]:
    """Return the directions of all figures. Raises `SuppleError` where one of the caller's has the name of another."""
    found: dict[str, Direction | None] = dict(directions)
    own = [(name, _KNOWN_DIRECTIONS.get(name)) for name in measures]
    for name, direction in (*own, *((name, Direction.MINIMIZE) for name in costs)):
        if name in found:
            raise SuppleError(f'There is a figure "{name}" already: give yours another name.')
        found[name] = direction
    return found
