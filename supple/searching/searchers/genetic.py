"""Genetic searchers that Optuna has: generations of members, each bred from the best of those before it."""

import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.samplers import NSGAIIISampler, NSGAIISampler

from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searchers.optuna_searcher import OptunaSearcher
from supple.space import Config


class GeneticSearcher(OptunaSearcher):
    """Proposes a generation per round.

    A generation ends with the last member that was evaluated: so each round is bred from all that is known, whatever
    came before its search's own members, and however many of them failed. What is left over in the count belongs to the
    first generation.
    """

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        super().__init__(problem, seed)
        self.population = population
        self.together = population
        self._left_over = 0
        self._chosen = 0

    @abstractmethod
    def sampler(self, seed: int) -> NSGAIISampler | NSGAIIISampler:
        """Return the sampler for one proposal, which must draw from this seed alone."""

    def marks(self, index: int) -> dict[str, Any]:
        """Return the generation of a member."""
        return {f"{type(self.sampler(0)).__name__}:generation": self._generation(index)}

    def copy_of(self, history: History) -> optuna.Study:
        """Return a study in memory of the members that were evaluated, with the parents of every generation chosen."""
        count = len(history.evaluations)
        if count % self.population != self._left_over:
            self.forget()
            self._left_over = count % self.population
        study = super().copy_of(history)
        for generation in range(self._chosen + 1, self._generation(count) + 1):
            # The dice of one generation, not of its first proposal: which that is, an interruption may change.
            seed = random.Random(f"{self.seed}/parents/{generation}").getrandbits(32)
            self.sampler(seed).get_parent_population(study, generation)
            self._chosen = generation
        return study

    def add_pending(self, study: optuna.Study, pending: Sequence[Config]) -> None:
        """Add nothing: members of one generation know nothing of each other."""

    def forget(self) -> None:
        """Begin a new copy."""
        super().forget()
        self._chosen = 0

    def _generation(self, index: int) -> int:
        return max(0, (index - self._left_over) // self.population)
