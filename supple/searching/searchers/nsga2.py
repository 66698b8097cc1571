"""NSGA-II: an evolutionary search for a whole front.

Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002; the implementation is Optuna's.
"""

from typing import Literal

from optuna.samplers import NSGAIISampler
from pydantic import Field

from supple.searching.problem import Problem
from supple.searching.searcher import SearcherConfig
from supple.searching.searchers.genetic import GeneticSearcher


class Nsga2Config(SearcherConfig):
    """How large a generation is."""

    kind: Literal["nsga2"] = "nsga2"
    population: int = Field(default=12, ge=2, description="members of one generation")


class Nsga2(GeneticSearcher):
    """Breeds each generation from the non-dominated, well-spread members of the ones before."""

    def __init__(self, problem: Problem, seed: int, config: Nsga2Config = Nsga2Config()) -> None:
        super().__init__(problem, seed, config.population)

    def sampler(self, seed: int) -> NSGAIISampler:
        """Return Optuna's sampler."""
        return NSGAIISampler(population_size=self.population, seed=seed)
