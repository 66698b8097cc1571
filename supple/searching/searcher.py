"""The contract of every searcher: it proposes configs, and learns from what came of them.

Life cycle: a search makes one searcher, from its problem, its seed and its settings, and calls `propose` once for every
member that is to be evaluated. What it returns is a pure function of these and of the history: a searcher may remember
what it has computed from the same history before, nothing else. So a search that is killed goes on, after a restart, as
if nothing had happened.

Proposals come in rounds of `together`: within a round the history holds no outcomes of that round, and `pending` says
what was proposed in it already. So the members of a round can be evaluated together, or in several processes, without
any difference to the search. The first proposals of a search are not the searcher's: the largest and the smallest
member, and what a warm start brings; the history holds them.
"""

import hashlib
import random
from abc import ABC, abstractmethod

from pydantic import BaseModel, ConfigDict

from supple.searching.history import History
from supple.searching.problem import Problem
from supple.space import Config

_TRIES = 50
_SMALL_SPACE = 100_000


class SearcherConfig(BaseModel):
    """The settings of one searcher; each has a `kind` that tells it apart in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Searcher(ABC):
    """Proposes the next member of a search.

    A proposal that has an outcome already is told that again, which costs nothing and lets the searcher move on; where
    several come in a row, a random member takes their place.
    """

    together: int = 1
    """How many proposals in a row are made before the first of them has an outcome."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.space = problem.space
        self.seed = seed

    @abstractmethod
    def propose(self, history: History) -> Config:
        """Return the config to evaluate next, at best none of `history.seen`."""

    def rng(self, history: History) -> random.Random:
        """Return random numbers for the next proposal, by the seed and the number of trials before it alone."""
        return random.Random(f"{self.seed}/{self.number(history)}")

    def integer_seed(self, history: History) -> int:
        """Return a seed for the next proposal, from 0 to 2^32 - 1, likewise."""
        digest = hashlib.sha256(f"{self.seed}/{self.number(history)}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def number(self, history: History) -> int:
        """Return how many trials there are before the next proposal, those under way included."""
        return history.told + len(history.pending)

    @property
    def least(self) -> int:
        """How many members must be evaluated before there is a proposal that is worth its name."""
        return 1

    def finished(self, history: History) -> bool:
        """Say whether there is nothing left to propose: mostly never."""
        return False

    def remarks(self, history: History) -> tuple[str, ...]:
        """Return what a user should know of how the searcher came to its proposals, at the end of a search."""
        return ()

    def spent(self, history: History) -> float:
        """Return how many evaluations the searcher made by itself besides the members of the history: mostly none.

        Looks at a part of the data count in parts. A pure function of the history, as proposals are.
        """
        return 0.0

    def random_new(self, history: History, rng: random.Random) -> Config:
        """Draw a random member that has no outcome yet; any member where all have one."""
        for _ in range(_TRIES):
            if (config := self.space.sample(rng)) not in history.seen:
                return config
        # Few are left of a small space; of a large one, this many tries cannot fail.
        left = [config for config in self.space if config not in history.seen] if self._is_small else []
        return rng.choice(left) if left else config

    @property
    def _is_small(self) -> bool:
        return self.space.count() <= _SMALL_SPACE
