"""Search a family for the members that are best on a target, next to as many random members."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from supple.cost import LatencyMeter, MeasurementFailed, MeasurementStore, open_device
from supple.data import Batches
from supple.errors import SuppleError
from supple.family import Family
from supple.machine import Machine
from supple.progress import Progress, Silent
from supple.runtime import backend_for, parse_target
from supple.searching.config import SearchConfig
from supple.searching.evaluation import Evaluate, Evaluation, Failure
from supple.searching.nsga2 import Nsga2
from supple.searching.pareto import pareto_front
from supple.searching.random_members import RandomMembers
from supple.searching.searcher import Searcher
from supple.searching.study import Study, close_storage, database_of, open_storage
from supple.searching.target_check import check_resolution
from supple.space import Config, Space
from supple.training import accuracy, calibration_inputs

SEARCH_STUDY = "search"
BASELINE_STUDY = "baseline"
REPEATS_BEFORE_RANDOM = 8
MOST_FAILURES_IN_A_ROW = 3
EXAMPLES = 2


@dataclass(frozen=True)
class SearchResult:
    """The distinct members that were evaluated, in order: those of the search, and the random baseline.

    `failed` are those that could not be evaluated; `machine` is the one that latency was measured on, where known.
    """

    searched: tuple[Evaluation, ...]
    baseline: tuple[Evaluation, ...]
    failed: tuple[Failure, ...] = ()
    machine: Machine | None = None

    @property
    def front(self) -> tuple[Evaluation, ...]:
        """The members of the search that no other of them dominates, the fastest first."""
        return tuple(self.searched[index] for index in pareto_front([entry.point for entry in self.searched]))


def search(
    family: Family,
    train_data: Batches,
    valid_data: Batches,
    config: SearchConfig = SearchConfig(),
    study_path: Path | None = None,
    progress: Progress = Silent(),
) -> SearchResult:
    """Find the members with the best accuracy for their latency.

    Accuracy is measured on `valid_data` after batch norm was calibrated on `train_data`; latency in the runtime of
    `config.target`. With `study_path`, all results stand in an SQLite study, and a search that was interrupted goes on
    from there, on the same machine. Random members, as many as the search evaluates, are evaluated in turn with it as
    the baseline. Raises `SuppleError` for a target that this machine lacks, and where the full network or several
    members in a row cannot be measured.
    """
    target = parse_target(config.target)
    inputs = calibration_inputs(train_data, config.calibration_images)
    check_resolution(target, inputs[0])
    emitter = backend_for(target).emitter(family, inputs[0][:EXAMPLES], target, progress)
    with open_device(target) as device, _opened_studies(family, config, study_path) as (studies, store):
        for study in studies.values():
            study.claim_machine(device.machine)
        meter = LatencyMeter(emitter, family.space.max(), device, store, config.seconds_per_latency)

        def evaluate(candidate: Config) -> Evaluation:
            return Evaluation(
                candidate,
                accuracy(family, candidate, valid_data, inputs),
                meter.measure(candidate),
                family.count_parameters(candidate),
                family.count_macs(candidate),
            )

        found = run_search(family.space, evaluate, studies, config, progress)
        return replace(found, machine=device.machine)


@contextmanager
def _opened_studies(
    family: Family, config: SearchConfig, path: Path | None
) -> Iterator[tuple[dict[str, Study], MeasurementStore]]:
    """Open the studies, and the measurements that stand in the same database."""
    storage = open_storage(path)
    settings = config.model_dump_json(exclude={"evaluations"})
    try:
        studies = {name: Study(storage, path, name, family.space, settings) for name in (SEARCH_STUDY, BASELINE_STUDY)}
        yield studies, MeasurementStore(database_of(storage), path)
    finally:
        close_storage(storage, path)


def run_search(
    space: Space, evaluate: Evaluate, studies: Mapping[str, Study], config: SearchConfig, progress: Progress
) -> SearchResult:
    """Run the search and its baseline in turn, so that a drifting machine wrongs neither."""
    budget = min(config.evaluations, space.count())
    runs = [
        _Run(studies[SEARCH_STUDY], Nsga2(space, config.seed, config.population)),
        _Run(studies[BASELINE_STUDY], RandomMembers(space, config.seed)),
    ]
    outcomes = {entry.config: entry for run in runs for entry in run.outcomes}

    def evaluate_once(candidate: Config) -> Outcome:
        if candidate not in outcomes:
            outcomes[candidate] = _outcome_of(candidate, evaluate)
        return outcomes[candidate]

    progress.start("search", 2 * budget, "members", sum(len(run.evaluations) for run in runs))
    while any(run.may_go_on(budget) for run in runs):
        for run in runs:
            if run.may_go_on(budget):
                found = run.step(evaluate_once)
                if isinstance(found, Failure):
                    progress.say(f"A member is left out: {found.reason}")
                    _check_failures(space, run.outcomes)
                else:
                    progress.advance(1, accuracy=found.accuracy, latency_ms=found.latency.median_ms)
    progress.finish()
    failed = dict.fromkeys(entry for run in runs for entry in run.outcomes if isinstance(entry, Failure))
    searched, baseline = (tuple(run.evaluations[:budget]) for run in runs)
    return SearchResult(searched, baseline, tuple(failed))


Outcome = Evaluation | Failure


def _outcome_of(candidate: Config, evaluate: Evaluate) -> Outcome:
    try:
        return evaluate(candidate)
    except MeasurementFailed as error:
        return Failure(candidate, str(error))


def _check_failures(space: Space, outcomes: Sequence[Outcome]) -> None:
    """Raise `SuppleError` where going on makes no sense: the full network failed, or many members in a row did."""
    latest = outcomes[-MOST_FAILURES_IN_A_ROW:]
    failures = [entry for entry in latest if isinstance(entry, Failure)]
    if len(failures) == MOST_FAILURES_IN_A_ROW or failures[-1].config == space.max():
        raise SuppleError(f"The search cannot go on: {failures[-1].reason}")


class _Run:
    """One study under way: its searcher, what came of its distinct members, and those of them that were evaluated."""

    def __init__(self, study: Study, searcher: Searcher) -> None:
        self._study = study
        self._searcher = searcher
        self._told = 0
        self.outcomes: list[Outcome] = []
        self.evaluations: list[Evaluation] = []
        self._seen: set[Config] = set()
        for outcome in study.outcomes():
            self._note(outcome)

    def may_go_on(self, budget: int) -> bool:
        """Say whether evaluations are left in the budget, and members in the space."""
        return len(self.evaluations) < budget and len(self.outcomes) < self._searcher.space.count()

    def step(self, evaluate: Callable[[Config], Outcome]) -> Outcome:
        """Evaluate one member more that is new to this study, and return what came of it.

        A proposal that was evaluated before is told again, which costs nothing and lets the searcher move on.
        """
        before = len(self.outcomes)
        space = self._searcher.space
        corners = [space.max(), space.min()]
        repeats = 0
        while len(self.outcomes) == before:
            if self._told < len(corners):
                trial = self._searcher.propose_config(self._study.optuna, corners[self._told])
            elif repeats < REPEATS_BEFORE_RANDOM:
                trial = self._searcher.propose(self._study.optuna, self._told)
            else:
                fresh = RandomMembers(space, self._searcher.seed)
                trial = fresh.propose(self._study.optuna, self._told)
            outcome = evaluate(self._searcher.config_of(trial))
            if isinstance(outcome, Failure):
                self._study.tell_failure(trial, outcome)
            else:
                self._study.tell(trial, outcome)
            self._note(outcome)
            repeats += 1
        return self.outcomes[-1]

    def _note(self, outcome: Outcome) -> None:
        self._told += 1
        if outcome.config not in self._seen:
            self._seen.add(outcome.config)
            self.outcomes.append(outcome)
            if isinstance(outcome, Evaluation):
                self.evaluations.append(outcome)


def choose_members(result: SearchResult) -> dict[str, Evaluation]:
    """Return members worth shipping: the full network, the fastest of the front, and a medium one between them.

    The medium member is the most accurate one of the front whose latency is at most halfway between the other two.
    """
    full = max(result.searched, key=lambda entry: entry.parameters)
    small = min(result.front, key=lambda entry: entry.latency.median_ms)
    halfway = (small.latency.median_ms + full.latency.median_ms) / 2
    between = _between(result.front, small, full, halfway)
    return {"small": small, **({"medium": between} if between else {}), "full": full}


def _between(front: Sequence[Evaluation], small: Evaluation, full: Evaluation, latency_ms: float) -> Evaluation | None:
    others = [entry for entry in front if entry.config not in (small.config, full.config)]
    affordable = [entry for entry in others if entry.latency.median_ms <= latency_ms]
    return max(affordable or others, key=lambda entry: entry.accuracy, default=None)
