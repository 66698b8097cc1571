"""Stratified random search: random members whose costs are spread evenly over all that members can cost.

Uniformly random members nearly all cost about the same, so that both ends of a front stay empty.
"""

import random
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Literal

from pydantic import Field

from supple.searching.corners import in_fewest_bits
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.drawing import known_excess, random_allowed
from supple.space import Config

_CLOSE_ENOUGH = 0.05
_TRIES = 2


class StratifiedConfig(SearcherConfig):
    """How finely costs are divided."""

    kind: Literal["stratified"] = "stratified"
    strata: int = Field(default=16, ge=1, description="equal parts of the costs, each of which gets as many members")


class StratifiedMembers(Searcher):
    """Draws members from one stratum of the cost after another, every stratum once before any comes again.

    The cost is a known figure, as an objective or the multiply-accumulates; the strata lie between what the smallest
    and what the largest member cost. Members that break a constraint on a known figure are left out as long as any
    stratum has others. Where precision is searched, every second member has the fewest bits: drawn layer by layer, none
    ever would. Where no cost is known, draws are uniform.
    """

    def __init__(self, problem: Problem, seed: int, config: StratifiedConfig = StratifiedConfig()) -> None:
        super().__init__(problem, seed)
        self.strata = config.strata
        self.together = config.strata
        self._cost = problem.cost_proxy()

    def propose(self, history: History) -> Config:
        """Draw a member that has no outcome yet; the draw depends on the seed and the number alone, but for repeats."""
        rng = self.rng(history)
        if self._cost is None or self._ends[0] == self._ends[1]:
            return random_allowed(self, history, rng)
        drawn = {}
        for config in self._draws(self._cost, self.number(history), rng):
            if config not in history.seen:
                drawn[config] = known_excess(self, config)
                if drawn[config] == 0:
                    break
        return min(drawn, key=drawn.__getitem__) if drawn else random_allowed(self, history, rng)

    def _draws(self, cost: Callable[[Config], float], number: int, rng: random.Random) -> Iterator[Config]:
        """Yield members from the stratum whose turn it is, then from those that come after it."""
        low, high = self._ends
        width = (high - low) / self.strata
        order = list(range(self.strata))
        random.Random(f"{self.seed}/order/{number // self.strata}").shuffle(order)
        turn = number % self.strata
        for stratum in order[turn:] + order[:turn]:
            for _ in range(_TRIES):
                target = low + (stratum + rng.random()) * width
                config = self.space.sample_near(rng, cost, target, _CLOSE_ENOUGH * abs(width))
                yield in_fewest_bits(self.space, config) if number % 2 else config

    @cached_property
    def _ends(self) -> tuple[float, float]:
        assert self._cost is not None
        return self._cost(self.space.min()), self._cost(self.space.max())
