"""The search itself: the searcher's rounds and the baseline's members in turn, each distinct member evaluated once."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from supple.errors import SuppleError
from supple.progress import Progress
from supple.searching.baseline import MatchedMembers, searched_before
from supple.searching.config import SearchConfig
from supple.searching.corners import corners_of
from supple.searching.dominance import hypervolume_curve
from supple.searching.evaluation import Failure, Outcome
from supple.searching.history import History
from supple.searching.ledger import Ledger
from supple.searching.measured_constraints import cheapest_members, check_found, check_measured_constraints
from supple.searching.opening import Opened, study_names
from supple.searching.picture import front_picture
from supple.searching.problem import Problem
from supple.searching.result import SearchResult, SeedResult
from supple.searching.run import Evaluate, Opening, Run
from supple.searching.searcher import Searcher
from supple.searching.searchers import seeded_searcher
from supple.searching.study import Study
from supple.space import Config

MOST_FAILURES_IN_A_ROW = 3
LEAST_GROWTH = 1e-3
SECONDS_BETWEEN_LOOKS = 0.1
"""How long to wait before looking again whether other processes, which are at all that is left, have come further."""


def run_search(
    problem: Problem,
    evaluate: Evaluate,
    opened: Opened,
    config: SearchConfig,
    progress: Progress,
    firsts: Sequence[Config] = (),
) -> SearchResult:
    """Search with every seed in turn, next to random members that cost as much.

    `firsts` come first, after the largest and the smallest member. Raises `SuppleError` where the full network or
    several members in a row cannot be evaluated, where no member keeps the constraints, and where there are more
    workers than members in a round.
    """
    if config.baseline_share == 0:
        warnings.warn(
            "This search has no baseline: whether it is better than random members of the same cost will not be known. "
            "To silence this, leave baseline_share at its default.",
            stacklevel=2,
        )
    evaluating = _Evaluating(evaluate, opened.ledger)
    pairs = [
        _Pair(problem, [opened.studies[name] for name in names], config, seed, firsts, evaluating)
        for seed, names in study_names(config).items()
    ]
    progress.start("search", sum(pair.budget for pair in pairs), "members", sum(pair.done for pair in pairs))
    while unfinished := [pair for pair in pairs if not pair.is_over()]:
        if not any(pair.go_on(progress) for pair in unfinished):
            time.sleep(SECONDS_BETWEEN_LOOKS)
    progress.finish()
    failed = dict.fromkeys(entry for pair in pairs for entry in pair.outcomes if isinstance(entry, Failure))
    result = SearchResult(problem, tuple(pair.result for pair in pairs), tuple(failed))
    check_found(problem, result.searched)
    return result


class _Evaluating:
    """Evaluates members that no other process is at, and notes what came of each as soon as it is known."""

    def __init__(self, evaluate: Evaluate, ledger: Ledger) -> None:
        self.ledger = ledger
        self._evaluate = evaluate

    def __call__(self, configs: Sequence[Config]) -> Iterator[Outcome]:
        """Yield what came of those members that are this process's; none where others are at all of them."""
        claimed = self.ledger.claim(configs)
        for outcome in self._evaluate(claimed) if claimed else ():
            yield self.ledger.settle(outcome)


class _Pair:
    """The search with one seed, and its baseline."""

    def __init__(
        self,
        problem: Problem,
        studies: Sequence[Study],
        config: SearchConfig,
        seed: int,
        firsts: Sequence[Config],
        evaluating: _Evaluating,
    ) -> None:
        space = problem.space
        self._problem = problem
        self._config = config
        self._seed = seed
        self._evaluating = evaluating
        self._share = config.baseline_share
        whole = space.count() <= config.budget
        self.budget = space.count() if whole else config.budget
        # Of a space that is searched whole, the baseline's members are known by themselves.
        self._of_search = self.budget if whole else self.budget - round(self._share * self.budget)
        searcher = seeded_searcher(config.searcher, config.allocated, problem, seed)
        _check_budget(searcher, self._of_search, config)
        openings: list[Opening] = [lambda _: (*corners_of(space), *firsts), partial(cheapest_members, problem)]
        self._search = Run(studies[0], searcher, evaluating.ledger, openings, config.together)
        matched = MatchedMembers(problem, seed, self._share or 1.0, self._search.evaluations_when)
        self._baseline = Run(studies[1], matched, evaluating.ledger)
        check_workers(config, self._search.together)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What came of all members of both."""
        return (*self._search.outcomes, *self._baseline.outcomes)

    @property
    def done(self) -> int:
        """How much of the budget is used."""
        return round(self._search.spent()) + len(self._baseline.evaluations)

    @property
    def result(self) -> SeedResult:
        """What both found."""
        history = self._search.history
        remarks = self._search.searcher.remarks(history)
        return SeedResult(self._seed, history.evaluations, self._baseline.evaluations, remarks)

    def is_over(self) -> bool:
        """Say whether the budget is used up, the space is exhausted, or the front has stopped growing."""
        return not self._search_goes_on() and not self._baseline_is_due()

    def go_on(self, progress: Progress) -> bool:
        """Go on by what can be done now; say whether anything came of it, or other processes are at all there is."""
        return any(
            self._step(run, room, progress)
            for run, room in ((self._baseline, self._room_of_baseline), (self._search, self._room_of_search))
        )

    def _step(self, run: Run, room: Callable[[], int], progress: Progress) -> bool:
        before = run.state
        if room():
            for outcome in run.go_on(self._evaluating, room):
                self._tell(outcome, run, progress)
        return run.state != before

    def _room_of_search(self) -> int:
        """Return how many members the search may evaluate now, of those that it has proposed or the next ones."""
        return max(1, int(self._of_search - self._search.spent())) if self._search_goes_on() else 0

    def _room_of_baseline(self) -> int:
        return int(self._baseline_is_due())

    def _search_goes_on(self) -> bool:
        if self._search.searcher.finished(self._search.history):
            return False
        return self._search.may_go_on(self._of_search) and (self._search.is_in_a_round or not self._is_settled())

    def _baseline_is_due(self) -> bool:
        """Say whether a member of the baseline belongs to what has been searched by now."""
        members = len(self._baseline.evaluations)
        return (
            self._share > 0
            and searched_before(members, self._share) <= self._search.spent_in_order()
            and self._baseline.may_go_on(self.budget)
        )

    def _tell(self, outcome: Outcome, run: Run, progress: Progress) -> None:
        if isinstance(outcome, Failure):
            progress.say(f"A member is left out: {outcome.reason}")
            _check_failures(self._problem, run.outcomes)
            return
        if run is self._search:
            check_measured_constraints(self._problem, run.evaluations)
        objectives = self._problem.objectives
        shown = {entry.figure.partition(" on ")[0]: outcome.figures[entry.figure] for entry in objectives}
        progress.advance(1, **shown)
        progress.picture(partial(front_picture, self._search.history, self._baseline.evaluations))

    def _is_settled(self) -> bool:
        """Say whether the front has not grown for as many evaluations as the user is patient."""
        patience = self._config.patience
        history = self._search.history
        if patience is None or len(history.evaluations) <= patience:
            return False
        return growth(history, patience) <= LEAST_GROWTH


def check_workers(config: SearchConfig, together: int) -> None:
    """Raise `SuppleError` where there are more workers than members in a round: some would never have work."""
    if config.workers > together:
        raise SuppleError(
            f"{config.workers} workers have no use: this search evaluates rounds of {together}, so that its history "
            f"is the same with any number of workers. Give workers={together}, or together={config.workers} for "
            "larger rounds, which is another search."
        )


def growth(history: History, evaluations: int) -> float:
    """Return by what share the hypervolume has grown over the last so many evaluations.

    Its reference is the worst corner of all evaluated members; those that break the constraints add nothing.
    """
    losses = history.losses
    reference = losses.max(axis=0) + 1e-9 * np.ptp(losses, axis=0)
    curve = hypervolume_curve(np.where(history.excess[:, None] > 0, np.inf, losses), reference)
    return 0.0 if curve[-1] == 0 else 1 - curve[-1 - evaluations] / curve[-1]


def _check_failures(problem: Problem, outcomes: Sequence[Outcome]) -> None:
    """Raise `SuppleError` where going on makes no sense: the full network failed, or many members in a row did."""
    latest = outcomes[-MOST_FAILURES_IN_A_ROW:]
    failures = [entry for entry in latest if isinstance(entry, Failure)]
    if len(failures) == MOST_FAILURES_IN_A_ROW or failures[-1].config == problem.space.max():
        raise SuppleError(f"The search cannot go on: {failures[-1].reason}")


def _check_budget(searcher: Searcher, budget: int, config: SearchConfig) -> None:
    """Raise `SuppleError` where a searcher's budget ends before it can propose anything of its own."""
    if searcher.least >= budget:
        needed = math.ceil((searcher.least + 2) / (1 - config.baseline_share))
        raise SuppleError(
            f"The budget of {config.budget} ends before the allocator has measured its table, which takes "
            f"{searcher.least} members: give it {needed} or more, or take another searcher."
        )
