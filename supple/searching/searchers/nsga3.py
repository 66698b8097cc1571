"""NSGA-III: an evolutionary search for a front of three and more objectives.

Source: Deb and Jain, An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based Nondominated
Sorting Approach, Part I, 2014; the implementation is Optuna's.
"""

import warnings
from itertools import takewhile
from math import comb
from typing import Literal

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIIISampler
from pydantic import Field

from supple.searching.problem import Problem
from supple.searching.searcher import SearcherConfig
from supple.searching.searchers.genetic import GeneticSearcher


class Nsga3Config(SearcherConfig):
    """How large a generation is."""

    kind: Literal["nsga3"] = "nsga3"
    population: int = Field(default=12, ge=2, description="members of one generation")


class Nsga3(GeneticSearcher):
    """Breeds each generation from the non-dominated members that lie closest to reference directions.

    There are about as many directions, evenly spread, as members of a generation.
    """

    def __init__(self, problem: Problem, seed: int, config: Nsga3Config = Nsga3Config()) -> None:
        super().__init__(problem, seed, config.population)
        self._divisions = divisions(len(problem.objectives), config.population)

    def sampler(self, seed: int) -> NSGAIIISampler:
        """Return Optuna's sampler."""
        with warnings.catch_warnings():
            # That it may change is for the tests to notice, not for the user.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return NSGAIIISampler(population_size=self.population, seed=seed, dividing_parameter=self._divisions)


def divisions(objectives: int, population: int) -> int:
    """Return into how many parts each objective is divided so that there are at most so many reference directions.

    By p parts there are C(p + objectives - 1, objectives - 1) of them. One part at least, however few members.
    """
    if objectives == 1:
        return 1
    parts = takewhile(
        lambda parts: comb(parts + objectives - 1, objectives - 1) <= population, range(1, population + 1)
    )
    return max(parts, default=1)
