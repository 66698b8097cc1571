"""Bayesian search by Gaussian processes: the member whose expected growth of the front's hypervolume is largest.

Sources: Daulton et al., Differentiable Expected Hypervolume Improvement for Parallel Multi-Objective Bayesian
Optimization, 2020; Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization, 2023; the
implementation is Optuna's.
"""

from typing import Literal

from optuna.samplers import GPSampler
from pydantic import Field

from supple.searching.problem import Problem
from supple.searching.searcher import SearcherConfig
from supple.searching.searchers.optuna_searcher import OptunaSearcher


class OptunaBayesianConfig(SearcherConfig):
    """How the search begins."""

    kind: Literal["optuna_bayesian"] = "optuna_bayesian"
    startup: int = Field(default=10, ge=1, description="members before the processes are fitted; new ones are random")


class OptunaBayesian(OptunaSearcher):
    """Fits a Gaussian process to every objective, and to how far constraints are kept; takes what promises most.

    Proposals under way count as members that will come. A process is fitted anew for every proposal, which takes longer
    the more members there are.
    """

    # Where it comes up with a known member it is sure of it, and every try costs a fit.
    tries = 2

    def __init__(self, problem: Problem, seed: int, config: OptunaBayesianConfig = OptunaBayesianConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config

    def sampler(self, seed: int) -> GPSampler:
        """Return Optuna's sampler."""
        return GPSampler(n_startup_trials=self.config.startup, seed=seed, warn_independent_sampling=False)
