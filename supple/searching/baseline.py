"""The baseline of every search: random members that cost what the best members found cost."""

import math
import random
from collections.abc import Callable, Sequence

from supple.searching.corners import bits_alone
from supple.searching.evaluation import Evaluation
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher
from supple.space import Config

_CLOSE_ENOUGH = 0.02
_FAR_OFF = 0.1
_DRAWN = 64
_TRIES = 8


def searched_before(number: int, share: float) -> int:
    """Return how many members a search evaluates before the baseline's member of this number, counted from 0."""
    return math.ceil((number + 1) * (1 - share) / share)


class MatchedMembers(Searcher):
    """Draws random members that cost what members of the search's front cost at that time.

    Uniformly random members nearly all cost about the same, so that a search would be compared with nothing where it
    matters. "Cost" is a known figure (an objective, or the multiply-accumulates); where none is known, draws are
    uniform. Where precision is searched, their weights have as many bytes too. `searched_when` returns the members that
    had been searched when so many evaluations were made: a baseline member depends on those before it, so that it is
    the same after a restart.
    """

    together = 1

    def __init__(
        self, problem: Problem, seed: int, share: float, searched_when: Callable[[float], Sequence[Evaluation]]
    ) -> None:
        super().__init__(problem, seed)
        self.share = share
        self._searched_when = searched_when
        self._cost = problem.cost_proxy()
        self._bytes = problem.precision_proxy()
        self._bits = bits_alone(problem.space)

    def propose(self, history: History) -> Config:
        """Draw a member that has no outcome yet."""
        rng = self.rng(history)
        if self._cost is None:
            return self.random_new(history, rng)
        known = History(self.problem, self._searched_when(searched_before(len(history.evaluations), self.share)))
        rivals = known.front or known.evaluations
        rival = rng.choice(rivals).config
        shape = self._drawn_near(self._cost, self._cost(rival), history, rng)
        return shape if self._bytes is None else self._in_bits(self._bytes, shape, self._bytes(rival), history, rng)

    def _drawn_near(
        self, cost: Callable[[Config], float], target: float, history: History, rng: random.Random
    ) -> Config:
        config = self.space.sample_near(rng, cost, target, _CLOSE_ENOUGH * abs(target))
        if config in history.seen or abs(cost(config) - target) > _FAR_OFF * abs(target):
            # A cost that falls where a dimension grows leads draws along a path astray; drawing many does not mind.
            drawn = [self.random_new(history, rng) for _ in range(_DRAWN)]
            config = min(drawn, key=lambda entry: (entry in history.seen, abs(cost(entry) - target)))
        return config

    def _in_bits(
        self, weights: Callable[[Config], float], shape: Config, target: float, history: History, rng: random.Random
    ) -> Config:
        """Return a shape in random bits that its weights have the bytes that are wanted in, as nearly as they can."""

        def whole(bits: Config) -> Config:
            return self.space.config({**shape, **bits})

        for _ in range(_TRIES):
            near = self._bits.sample_near(rng, lambda bits: weights(whole(bits)), target, _CLOSE_ENOUGH * target)
            config = whole(near)
            if config not in history.seen:
                return config
        return shape if shape not in history.seen else self.random_new(history, rng)
