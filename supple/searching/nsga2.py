"""NSGA-II: an evolutionary search for a whole front.

Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002; the implementation is Optuna's.
"""

import hashlib

import optuna

from supple.searching.searcher import Searcher
from supple.space import Space


class Nsga2(Searcher):
    """Breeds each generation from the non-dominated, well-spread members of the ones before."""

    def __init__(self, space: Space, seed: int, population: int) -> None:
        super().__init__(space, seed)
        self.population = population

    def propose(self, study: optuna.Study, number: int) -> optuna.Trial:
        """Breed a member; Optuna finds the parents in the study, the dice are thrown anew for every number."""
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).digest()
        study.sampler = optuna.samplers.NSGAIISampler(
            population_size=self.population, seed=int.from_bytes(digest[:4], "big")
        )
        return study.ask(self.distributions)
