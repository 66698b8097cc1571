"""Search a family, or any space, for its best members, next to random members that cost as much."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime import parse_target
from supple.searching.config import SearchConfig
from supple.searching.counted import COUNTED, counted_figures
from supple.searching.digests import conditions_of, weights_digest
from supple.searching.engine import run_search
from supple.searching.feasibility import check_known_constraints
from supple.searching.judging import ENERGY, LATENCY, Judge, Measure, opened_meters
from supple.searching.networks import Networks
from supple.searching.opening import opened_studies
from supple.searching.parallel import opened_workers
from supple.searching.problem import Problem, as_known
from supple.searching.result import SearchResult
from supple.searching.study import WEIGHTS
from supple.searching.warm_start import begin
from supple.searching.wishes import (
    Direction,
    Vocabulary,
    on_target,
    parse_constraint,
    parse_objective,
    understand_constraints,
    understand_objectives,
)
from supple.space import Config, Space
from supple.training import Classification
from supple.training.task import Task

Cost = Callable[[Config], float]


def search(
    family: Family | Space,
    train_data: Iterable[Any] | None = None,
    valid_data: Iterable[Any] | None = None,
    config: SearchConfig = SearchConfig(),
    *,
    task: Task = Classification(),
    measures: Mapping[str, Measure] = {},
    costs: Mapping[str, Cost] = {},
    study: Path | str | None = None,
    progress: Progress = Silent(),
) -> SearchResult:
    """Find the members that are best by the objectives of `config`, among those that keep its constraints.

    Of a family, the figures are the task's metric on `valid_data`, after batch norm was calibrated on `train_data`;
    `latency_ms` and `energy_mj`, measured on each of `config.targets`; `parameters`, `macs`, `weights_bytes`,
    `traffic_bytes` and `peak_memory_bytes` (of the activations, for one sample), which are counted. Of a space without
    a family they are those that the caller gives. `measures` are functions of a config that take time, such as a metric
    of your own, by name; `costs` are functions that take none, are called for thousands of configs, and do not fall
    where a dimension grows; less of them is better. Name the direction of a measure: "maximize robustness".

    With `study`, a file of SQLite or the URL of a database (`postgresql://USER@HOST/DATABASE`), nothing that was
    finished is lost, and a search that was interrupted goes on from there, with the same weights; latencies stay on one
    machine. Several processes may search one study at the same time. A share of the budget goes to random members that
    cost what the best ones cost: the baseline. Raises `SuppleError` for what cannot be understood or measured, for
    constraints that no member keeps (with the nearest that one keeps), and where the full network or several members
    in a row cannot be evaluated.
    """
    targets = tuple(str(parse_target(address)) for address in config.targets)
    if isinstance(family, Space):
        return _search_space(family, config, measures, costs, study, progress)
    if train_data is None or valid_data is None:
        raise SuppleError("A family is searched with data: give train_data, which calibrates members, and valid_data.")
    networks = Networks.of(family, train_data, valid_data, task, config.calibration_images)
    metric = Direction.MAXIMIZE if task.higher_is_better else Direction.MINIMIZE
    directions = {task.metric: metric, LATENCY: Direction.MINIMIZE, ENERGY: Direction.MINIMIZE}
    directions |= dict.fromkeys(COUNTED, Direction.MINIMIZE)
    vocabulary = Vocabulary(_with_own(directions, measures, costs), frozenset({LATENCY, ENERGY}), targets)
    names = _names(config)
    known = counted_figures(family, names, progress)
    known |= {name: as_known(family.space, cost) for name, cost in costs.items()}
    problem = _problem(family.space, config, vocabulary, (task.metric, LATENCY))
    problem = replace(problem, known=known, networks=networks)
    check_known_constraints(problem)
    figures = {*(entry.figure for entry in problem.objectives), *(entry.figure for entry in problem.constraints)}
    addresses = _addresses(figures, targets)
    wanted = {address: on_target(ENERGY, address) in figures for address in addresses}
    with ExitStack() as stack:
        opened = stack.enter_context(opened_studies(problem, config, study))
        opened.claim(WEIGHTS, weights := weights_digest(family), "other weights of the family")
        meters = stack.enter_context(
            opened_meters(networks, wanted, opened.measurements, config.seconds_per_latency, progress)
        )
        machines = {meter.address: meter.device.machine for meter in meters}
        for entry in opened.studies.values():
            entry.claim_machines(machines)
        runtimes = {meter.address: meter.device.runtime_version for meter in meters}
        firsts = begin(
            opened,
            config,
            problem,
            # What a function of the caller tells depends on what only the caller knows.
            lambda: None if measures else conditions_of(networks, weights, config.seconds_per_latency, runtimes),
            machines,
        )
        qualities = stack.enter_context(opened_workers(networks, config.workers))
        judge = Judge(problem, opened.ledger, task.metric, qualities, measures, meters)
        found = run_search(problem, judge, opened, config, progress, firsts)
        return replace(found, machines=machines)


def _search_space(
    space: Space,
    config: SearchConfig,
    measures: Mapping[str, Measure],
    costs: Mapping[str, Cost],
    study: Path | str | None,
    progress: Progress,
) -> SearchResult:
    if not measures:
        raise SuppleError(
            'A space without a family has no figures of its own: give measures={"accuracy": function of a config}, and '
            "costs in the same way."
        )
    vocabulary = Vocabulary(_with_own({}, measures, costs))
    problem = _problem(space, config, vocabulary, (*measures, *costs))
    problem = replace(problem, known={name: as_known(space, cost) for name, cost in costs.items()})
    check_known_constraints(problem)
    if config.workers > 1:
        raise SuppleError(
            "The measures of a space run in this process, one after another: workers evaluate members of a family. "
            "Leave workers at 1; several processes may search one study instead."
        )
    with opened_studies(problem, config, study) as opened:
        firsts = begin(opened, config, problem, lambda: None, {})
        judge = Judge(problem, opened.ledger, measures=measures)
        return run_search(problem, judge, opened, config, progress, firsts)


def _with_own(
    directions: Mapping[str, Direction | None], measures: Mapping[str, Measure], costs: Mapping[str, Cost]
) -> dict[str, Direction | None]:
    """Return the directions of all figures. Raises `SuppleError` where one of the caller's has the name of another."""
    own: dict[str, Direction | None] = {"accuracy": Direction.MAXIMIZE}
    found = dict(directions)
    for name, default in (
        *((name, own.get(name)) for name in measures),
        *((name, Direction.MINIMIZE) for name in costs),
    ):
        if name in found:
            raise SuppleError(f'There is a figure "{name}" already: give yours another name.')
        found[name] = default
    return found


def _names(config: SearchConfig) -> set[str]:
    """Return the short names of the figures that a config speaks of."""
    objectives = {parse_objective(text)[0] for text in config.objectives}
    return objectives | {parse_constraint(text)[0] for text in config.constraints}


def _problem(space: Space, config: SearchConfig, vocabulary: Vocabulary, default: Sequence[str]) -> Problem:
    objectives = understand_objectives(config.objectives or default, vocabulary)
    return Problem(space, objectives, understand_constraints(config.constraints, vocabulary))


def _addresses(figures: set[str], targets: Sequence[str]) -> list[str]:
    """Return the targets to measure on: those of the figures, and the one that ships."""
    named = (figure.partition(" on ")[2] for figure in sorted(figures))
    return list(dict.fromkeys([*targets[:1], *filter(None, named)]))
