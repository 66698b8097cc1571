"""Local search: the neighbours of the best members, one after another; where none is left, anew from a random member.

Sources: White et al., Exploring the Loss Landscape in Neural Architecture Search, 2021; for a front instead of one best
member, Paquete et al., Pareto Local Optimum Sets in the Biobjective Traveling Salesman Problem, 2004.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from supple.searching.dominance import nondominated
from supple.searching.evaluation import Evaluation, Outcome
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.drawing import random_allowed
from supple.space import Config


class LocalConfig(SearcherConfig):
    """How the search begins."""

    kind: Literal["local"] = "local"
    starts: int = Field(default=8, ge=1, description="members before the first walk, random but for those told before")


class LocalSearch(Searcher):
    """Walks: evaluates neighbours of the walk's front, a neighbour differing by one step in one dimension.

    The front is that of the members that keep the constraints, or where none does those that break them least. A walk
    ends when all neighbours of its front are known; the next one begins with the member that comes then, a random one,
    and its front is its own. Neighbours that break constraints on known figures more than the member itself does are
    passed over.
    """

    together = 4

    def __init__(self, problem: Problem, seed: int, config: LocalConfig = LocalConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config
        self._neighbours: dict[Config, tuple[Config, ...]] = {}
        self._begin()

    def propose(self, history: History) -> Config:
        """Return an unknown neighbour of a random member of the front, or a random member."""
        self._follow(history)
        rng = self.rng(history)
        if len(history.seen) >= self.config.starts:
            front = list(self._front)
            rng.shuffle(front)
            for config in front:
                if unknown := [near for near in self._near(config) if near not in history.seen]:
                    return rng.choice(unknown)
        return random_allowed(self, history, rng)

    def _begin(self) -> None:
        self._told: tuple[Outcome, ...] = ()
        self._known: set[Config] = set()
        self._end_walk()

    def _end_walk(self) -> None:
        self._front: list[Config] = []
        self._losses = np.empty((0, len(self.problem.objectives)))
        self._excess = np.inf

    def _follow(self, history: History) -> None:
        """Go through the outcomes that came since, one by one: where a walk ends depends on no round."""
        if history.outcomes[: len(self._told)] != self._told:
            self._begin()
        for outcome in history.outcomes[len(self._told) :]:
            self._known.add(outcome.config)
            if isinstance(outcome, Evaluation):
                self._add(outcome)
            is_begun = len(self._known) >= self.config.starts
            if is_begun and all(near in self._known for config in self._front for near in self._near(config)):
                self._end_walk()
        self._told = history.outcomes

    def _add(self, evaluation: Evaluation) -> None:
        """Add a member to the front of the walk, if it belongs there, and take out what it beats."""
        losses, excess = self.problem.losses([evaluation]), self.problem.excess(evaluation)
        if excess < self._excess:
            self._end_walk()
            self._excess = excess
        if excess == self._excess:
            both = np.concatenate([self._losses, losses])
            kept = nondominated(both)
            self._front = [
                config for config, stays in zip([*self._front, evaluation.config], kept, strict=True) if stays
            ]
            self._losses = both[kept]

    def _near(self, config: Config) -> tuple[Config, ...]:
        """Return the neighbours that break no constraint on a known figure, or none more than the member itself."""
        if config not in self._neighbours:
            near = list(self.space.neighbours(config))
            excess = self.problem.known_excess(self.problem.values([config, *near]))
            keep = excess[1:] <= excess[0]
            self._neighbours[config] = tuple(entry for entry, kept in zip(near, keep, strict=True) if kept)
        return self._neighbours[config]
