"""Search a family, or any space, for its best members, next to random members that cost as much."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.searching.config import SearchConfig
from supple.searching.digests import conditions_of, precision_digest, weights_digest
from supple.searching.engine import run_search
from supple.searching.judging import Judge, Measure, opened_meters, wanted_on
from supple.searching.networks import Networks
from supple.searching.opening import opened_studies
from supple.searching.parallel import opened_workers
from supple.searching.posing import Cost, check_precisions, family_problem, space_problem, targets_of
from supple.searching.result import SearchResult
from supple.searching.study import PRECISION, WEIGHTS
from supple.searching.warm_start import begin
from supple.space import Space
from supple.training import Classification
from supple.training.task import Task


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
    `latency_ms`, `energy_mj` and `file_bytes` (of the exported program), measured on each of `config.targets`;
    `parameters`, `macs`, `weights_bytes`, `traffic_bytes` and `peak_memory_bytes` (of the activations, for one sample),
    which are counted. Of a space without a family they are those that the caller gives. `measures` are functions of a
    config that take time, such as a metric of your own, by name; `costs` are functions that take none, are called for
    thousands of configs, and do not fall where a dimension grows; less of them is better. Name the direction of a
    measure: "maximize robustness". Where the family has dimensions of precision (`supple.quantize`), shape and
    precision are searched together, or what `config.dimensions` names of them.

    With `study`, a file of SQLite or the URL of a database (`postgresql://USER@HOST/DATABASE`), nothing that was
    finished is lost, and a search that was interrupted goes on from there, with the same weights; latencies stay on one
    machine. Several processes may search one study at the same time. A share of the budget goes to random members that
    cost what the best ones cost: the baseline. Raises `SuppleError` for what cannot be understood or measured, for
    constraints that no member keeps (with the nearest that one keeps), and where the full network or several members
    in a row cannot be evaluated.
    """
    if isinstance(family, Space):
        return _search_space(family, config, measures, costs, study, progress)
    if train_data is None or valid_data is None:
        raise SuppleError("A family is searched with data: give train_data, which calibrates members, and valid_data.")
    networks = Networks.of(family, train_data, valid_data, task, config.calibration_images)
    problem = replace(family_problem(family, config, task, measures, costs, progress), networks=networks)
    targets = targets_of(config, problem)
    check_precisions(family, problem, targets)
    wanted = {address: wanted_on(address, problem) for address in targets}
    with ExitStack() as stack:
        opened = stack.enter_context(opened_studies(problem, config, study))
        opened.claim(WEIGHTS, weights := weights_digest(family), "other weights of the family")
        if family.quantization is not None:
            opened.claim(PRECISION, precision_digest(family.quantization), "other formats or another rounding")
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
        judge = Judge(problem, opened.ledger, networks.metric, qualities, measures, meters)
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
    problem = space_problem(space, config, measures, costs)
    if config.workers > 1:
        raise SuppleError(
            "The measures of a space run in this process, one after another: workers evaluate members of a family. "
            "Leave workers at 1; several processes may search one study instead."
        )
    with opened_studies(problem, config, study) as opened:
        firsts = begin(opened, config, problem, lambda: None, {})
        judge = Judge(problem, opened.ledger, measures=measures)
        return run_search(problem, judge, opened, config, progress, firsts)
