"""Random search: every member of the space is equally likely."""

from typing import Literal

from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.space import Config


class RandomConfig(SearcherConfig):
    """Random search has no settings."""

    kind: Literal["random"] = "random"


class RandomMembers(Searcher):
    """Draws members uniformly from the space."""

    together = 16

    def __init__(self, problem: Problem, seed: int, config: RandomConfig = RandomConfig()) -> None:
        super().__init__(problem, seed)

    def propose(self, history: History) -> Config:
        """Draw a member that has no outcome yet; the draw depends on the seed and the number alone."""
        return self.random_new(history, self.rng(history))
