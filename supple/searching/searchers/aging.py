"""Aging evolution: the youngest members alone have children, so that none lives on by a lucky measurement.

Source: Real et al., Regularized Evolution for Image Classifier Architecture Search, 2019. There one objective decides;
here rank and crowding do, as in Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002.
"""

import random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from supple.searching.dominance import Floats, crowding, front_ranks
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.drawing import known_excess, random_allowed
from supple.space import Config

_TRIES = 50


class AgingConfig(SearcherConfig):
    """How many members live at a time, and how many of them compete to have a child."""

    kind: Literal["aging"] = "aging"
    population: int = Field(default=24, ge=2, description="members that live at a time; the first ones are random")
    tournament: int = Field(default=6, ge=1, description="members drawn from them, of which the best has a child")

    @model_validator(mode="after")
    def _refuse_tournament_larger_than_population(self) -> "AgingConfig":
        if self.tournament > self.population:
            raise ValueError(
                f"a tournament of {self.tournament} cannot be drawn from a population of {self.population}: "
                f"make it {self.population} or less"
            )
        return self


class Aging(Searcher):
    """Mutates the winner of a tournament among the members that were evaluated last.

    Those that keep the constraints win over others, and among others those that break them less; then the lower rank
    wins, and among equals the one with more room around it.
    """

    together = 4

    def __init__(self, problem: Problem, seed: int, config: AgingConfig = AgingConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config

    def propose(self, history: History) -> Config:
        """Return a child that has no outcome yet and breaks no constraint on a known figure, if tries find one."""
        rng = self.rng(history)
        living = history.evaluations[-self.config.population :]
        if len(living) < self.config.population:
            return random_allowed(self, history, rng)
        places = places_of(history.losses[-len(living) :], history.excess[-len(living) :])
        spare: Config | None = None
        for _ in range(_TRIES):
            drawn = rng.sample(range(len(living)), self.config.tournament)
            child = self._mutated(living[min(drawn, key=lambda at: places[at])].config, rng)
            if child not in history.seen:
                if known_excess(self, child) == 0:
                    return child
                spare = spare or child
        return spare or random_allowed(self, history, rng)

    def _mutated(self, parent: Config, rng: random.Random) -> Config:
        """Return the config with another value in one dimension that reaches the member."""
        free = [entry for entry in self.space.dimensions if len(entry.values) > 1]
        reached = [entry for entry in free if self.space.is_active(entry.name, parent)]
        if not reached:
            return parent
        chosen = rng.choice(reached)
        value = rng.choice([value for value in chosen.values if value != parent[chosen.name]])
        return self.space.config({**parent, chosen.name: value})


def places_of(losses: Floats, excess: Floats) -> NDArray[np.intp]:
    """Return the place of each member in the order of merit, (members,): 0 is the best.

    `losses`: (members, objectives), less is better; `excess`: (members,), by how much they break the constraints.
    """
    allowed = np.flatnonzero(excess == 0)
    ranks = np.zeros(len(losses), np.intp)
    ranks[allowed] = front_ranks(losses[allowed])
    room = np.zeros(len(losses))
    for rank in np.unique(ranks[allowed]):
        front = allowed[ranks[allowed] == rank]
        room[front] = crowding(losses[front])
    places = np.empty(len(losses), np.intp)
    places[np.lexsort((-room, ranks, excess))] = np.arange(len(losses))
    return places
