"""One study under way: round after round, its searcher proposes members, and what comes of them is told.

Rounds are the same whoever evaluates them, and in whatever order: several processes may work on one study, and one that
is killed at any moment goes on as if nothing had happened.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from supple.searching.evaluation import Evaluation, Outcome
from supple.searching.history import History
from supple.searching.ledger import Ledger
from supple.searching.searcher import Searcher
from supple.searching.study import Proposal, Study
from supple.space import Config

REPEATS_BEFORE_RANDOM = 8

Evaluate = Callable[[Sequence[Config]], Iterable[Outcome]]
"""Evaluates members and yields what came of each, in any order, as soon as it is known."""

Opening = Callable[[History], Sequence[Config]]
"""Returns what is proposed in a round of its own before the searcher is asked, by what came of the round before."""


class Run:
    """One study, its searcher, and its proposals.

    `openings` are rounds that come before the searcher's; each may be empty. `together` is the number of proposals in
    each of the searcher's rounds.
    """

    def __init__(
        self,
        study: Study,
        searcher: Searcher,
        ledger: Ledger,
        openings: Sequence[Opening] = (),
        together: int | None = None,
    ) -> None:
        self.searcher = searcher
        self._study = study
        self._ledger = ledger
        self._openings = tuple(openings)
        self.together = together or searcher.together
        self._all = searcher.space.count()
        self.refresh()
        self._reported = {entry.config for entry in self._proposals if entry.outcome is not None}

    def refresh(self) -> None:
        """Take note of what other processes have done."""
        self._proposals = self._study.proposals()
        self._look_back()

    def _look_back(self) -> None:
        self._history = History(self._study.problem, _told(self._proposals))

    @property
    def history(self) -> History:
        """All that came of the study so far."""
        return self._history

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of distinct configs, in order."""
        return self._history.outcomes

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The distinct members that were evaluated, in order."""
        return self._history.evaluations

    @property
    def state(self) -> tuple[int, int]:
        """How many proposals there are, and how many of them have an outcome: it tells whether the study went on."""
        return len(self._proposals), self._history.told

    @property
    def is_in_a_round(self) -> bool:
        """Whether proposals wait for their outcome."""
        return any(entry.outcome is None for entry in self._proposals)

    def spent(self) -> float:
        """Return how many evaluations were made, those that the searcher made by itself included."""
        return self._spent(self._history)

    def spent_in_order(self) -> float:
        """Return how many evaluations were made until the first proposal that waits for its outcome."""
        return self._spent(History(self._study.problem, self._in_order()))

    def _spent(self, history: History) -> float:
        return len(history.evaluations) + self.searcher.spent(history)

    def evaluations_when(self, spent: float) -> tuple[Evaluation, ...]:
        """Return the members that had been evaluated, in order, when so many evaluations were made."""
        told = self._in_order()
        low, high = 0, len(told)
        while low < high:
            middle = (low + high) // 2
            if self._spent(History(self._study.problem, told[:middle])) < spent:
                low = middle + 1
            else:
                high = middle
        return History(self._study.problem, told[:low]).evaluations

    def _in_order(self) -> list[Outcome]:
        return _told(list(takewhile(lambda entry: entry.outcome is not None, self._proposals)))

    def may_go_on(self, budget: float) -> bool:
        """Say whether evaluations are left in the budget, and members in the space."""
        return self.spent() < budget and len(self.outcomes) < self._all

    def go_on(self, evaluate: Evaluate, room: Callable[[], int]) -> Iterator[Outcome]:
        """Propose the next round, or evaluate what is left of the current one, while there is room for new members.

        `room` says for how many, by what is known when it is called. Yields what came of each distinct member, what
        other processes found out included. Nothing may come of it where all proposals have an outcome already, which
        costs nothing, or where other processes are at work.
        """
        self.refresh()
        yield from self._news()
        if room() and len(self._proposals) < self._round().end:
            self._propose(room)
        for outcome in evaluate(new) if (new := self._next_new(room)) else ():
            self._tell(outcome)
            yield from self._news()
        yield from self._news()

    def _next_new(self, room: Callable[[], int]) -> list[Config]:
        """Return the members to evaluate next, in order; those before them that are known by now are told."""
        waiting = list(dict.fromkeys(entry.config for entry in self._proposals if entry.outcome is None))
        known = self._ledger.known(waiting)
        new: list[Config] = []
        for config in waiting:
            # What is told takes room, too.
            if len(new) >= room():
                break
            if config in known:
                self._tell(known[config])
            else:
                new.append(config)
        return new

    def _tell(self, outcome: Outcome) -> None:
        for number, entry in enumerate(self._proposals):
            if entry.outcome is None and entry.config == outcome.config:
                self._study.tell(entry.trial, outcome)
                self._proposals[number] = replace(entry, outcome=outcome)
        self._look_back()

    def _news(self) -> Iterator[Outcome]:
        """Yield the outcomes that were not reported yet."""
        for outcome in self.outcomes:
            if outcome.config not in self._reported:
                self._reported.add(outcome.config)
                yield outcome

    def _propose(self, room: Callable[[], int]) -> None:
        """Propose what is missing of the current round, unless another process does."""
        lock = f"{self._study.name}: proposing"
        if not self._ledger.lock(lock):
            return
        try:
            self.refresh()
            if not room():
                return  # Other processes have come so far meanwhile.
            now = self._round()
            before = _told(self._proposals[: now.start])
            pending = [entry.config for entry in self._proposals[now.start :]]
            seen = {outcome.config for outcome in before}
            while (number := now.start + len(pending)) < now.end and len(seen.union(pending)) < self._all:
                history = History(self._study.problem, before, pending)
                config = now.opening[number - now.start] if now.opening else self._proposed(history)
                self._study.propose(config, number)
                pending.append(config)
            self.refresh()
        finally:
            self._ledger.unlock(lock)

    def _proposed(self, history: History) -> Config:
        if _repeats_at_end(history) >= REPEATS_BEFORE_RANDOM:
            return self.searcher.random_new(history, self.searcher.rng(history))
        return self.searcher.propose(history)

    def _round(self) -> "_Round":
        """Return the first round of which a proposal is missing, or an outcome."""
        proposals, start = self._proposals, 0
        for opening in self._openings:
            history = History(self._study.problem, _told(proposals[:start]))
            configs = tuple(dict.fromkeys(opening(history)))
            found = _Round(start, start + len(configs), configs)
            if not found.is_over(proposals):
                return found
            start = found.end
        # All rounds before the last one are over: a round is proposed when the one before it is.
        start += max(0, len(proposals) - start - 1) // self.together * self.together
        last = _Round(start, start + self.together)
        return _Round(last.end, last.end + self.together) if last.is_over(proposals) else last


@dataclass(frozen=True)
class _Round:
    """The numbers of its proposals, from `start` to below `end`, and what they are where no searcher is asked."""

    start: int
    end: int
    opening: tuple[Config, ...] = ()

    def is_over(self, proposals: Sequence[Proposal]) -> bool:
        own = proposals[self.start : self.end]
        return len(own) == self.end - self.start and all(entry.outcome is not None for entry in own)


def _told(proposals: Sequence[Proposal]) -> list[Outcome]:
    return [entry.outcome for entry in proposals if entry.outcome is not None]


def _repeats_at_end(history: History) -> int:
    """Return how many of the last trials had a config that had an outcome before them."""
    configs = [*history.told_configs, *history.pending]
    seen: set[Config] = set()
    repeats = 0
    for config in configs:
        repeats = repeats + 1 if config in seen else 0
        seen.add(config)
    return repeats
