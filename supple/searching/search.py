"""Search a family for the members that are best on a target, next to as many random members."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from supple.cost import LatencyMeter
from supple.data import Batches
from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime import OnnxTemplate
from supple.searching.config import SearchConfig
from supple.searching.evaluation import Evaluate, Evaluation
from supple.searching.nsga2 import Nsga2
from supple.searching.pareto import pareto_front
from supple.searching.random_members import RandomMembers
from supple.searching.searcher import Searcher
from supple.searching.study import Study, close_storage, open_storage
from supple.space import Config, Space
from supple.training import accuracy, calibration_inputs

SEARCH_STUDY = "search"
BASELINE_STUDY = "baseline"
REPEATS_BEFORE_RANDOM = 8
EXAMPLES = 2


@dataclass(frozen=True)
class SearchResult:
    """The distinct members that were evaluated, in order: those of the search, and the random baseline."""

    searched: tuple[Evaluation, ...]
    baseline: tuple[Evaluation, ...]

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
    from there. Random members, as many as the search evaluates, are evaluated in turn with it as the baseline.
    """
    inputs = calibration_inputs(train_data, config.calibration_images)
    template = OnnxTemplate(family, inputs[0][:EXAMPLES], progress)
    with _opened_studies(family, config, study_path) as studies:
        # What an earlier process measured and what this one measures are relative to the same time of the full network.
        references = (entry.latency.reference_ms for study in studies.values() for entry in study.evaluations())
        meter = LatencyMeter(template, config.target, config.seconds_per_latency, next(references, None))

        def evaluate(candidate: Config) -> Evaluation:
            return Evaluation(
                candidate,
                accuracy(family, candidate, valid_data, inputs),
                meter.measure(candidate),
                family.count_parameters(candidate),
                family.count_macs(candidate),
            )

        return run_search(family.space, evaluate, studies, config, progress)


@contextmanager
def _opened_studies(family: Family, config: SearchConfig, path: Path | None) -> Iterator[dict[str, Study]]:
    storage = open_storage(path)
    settings = config.model_dump_json(exclude={"evaluations"})
    try:
        yield {name: Study(storage, path, name, family.space, settings) for name in (SEARCH_STUDY, BASELINE_STUDY)}
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
    known = {entry.config: entry for run in runs for entry in run.evaluations}

    def evaluate_once(candidate: Config) -> Evaluation:
        if candidate not in known:
            known[candidate] = evaluate(candidate)
        return known[candidate]

    progress.start("search", 2 * budget, "members", sum(len(run.evaluations) for run in runs))
    while any(len(run.evaluations) < budget for run in runs):
        for run in runs:
            if len(run.evaluations) < budget:
                found = run.step(evaluate_once)
                progress.advance(1, accuracy=found.accuracy, latency_ms=found.latency.median_ms)
    progress.finish()
    return SearchResult(*(tuple(run.evaluations[:budget]) for run in runs))


class _Run:
    """One study under way: its searcher, and the distinct members evaluated so far."""

    def __init__(self, study: Study, searcher: Searcher) -> None:
        self._study = study
        self._searcher = searcher
        self._told = 0
        self.evaluations: list[Evaluation] = []
        self._seen: set[Config] = set()
        for evaluation in study.evaluations():
            self._note(evaluation)

    def step(self, evaluate: Evaluate) -> Evaluation:
        """Evaluate one member more that is new to this study, and return it.

        A proposal that was evaluated before is told again, which costs nothing and lets the searcher move on.
        """
        before = len(self.evaluations)
        space = self._searcher.space
        corners = [space.max(), space.min()]
        repeats = 0
        while len(self.evaluations) == before:
            if self._told < len(corners):
                trial = self._searcher.propose_config(self._study.optuna, corners[self._told])
            elif repeats < REPEATS_BEFORE_RANDOM:
                trial = self._searcher.propose(self._study.optuna, self._told)
            else:
                fresh = RandomMembers(space, self._searcher.seed)
                trial = fresh.propose(self._study.optuna, self._told)
            evaluation = evaluate(self._searcher.config_of(trial))
            self._study.tell(trial, evaluation)
            self._note(evaluation)
            repeats += 1
        return self.evaluations[-1]

    def _note(self, evaluation: Evaluation) -> None:
        self._told += 1
        if evaluation.config not in self._seen:
            self._seen.add(evaluation.config)
            self.evaluations.append(evaluation)


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
