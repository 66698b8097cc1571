"""TPE: densities of good and of other members, dimension by dimension; new members where their ratio is highest.

Sources: Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011; Ozaki et al., Multiobjective
Tree-Structured Parzen Estimator, 2022; the implementation is Optuna's.
"""

from typing import Literal

from optuna.samplers import TPESampler
from pydantic import Field

from supple.searching.problem import Problem
from supple.searching.searcher import SearcherConfig
from supple.searching.searchers.optuna_searcher import OptunaSearcher


class TpeConfig(SearcherConfig):
    """How the search begins, and how many draws a member is taken from."""

    kind: Literal["tpe"] = "tpe"
    startup: int = Field(
        default=10, ge=1, description="members before the densities are estimated; new ones are random"
    )
    candidates: int = Field(
        default=24, ge=1, description="draws from the density of good members, of which one is taken"
    )


class Tpe(OptunaSearcher):
    """Draws each value from those of good members, and takes the draw that is least like the others."""

    def __init__(self, problem: Problem, seed: int, config: TpeConfig = TpeConfig()) -> None:
        super().__init__(problem, seed)
        self.config = config

    def sampler(self, seed: int) -> TPESampler:
        """Return Optuna's sampler; one draw for all dimensions, so that what goes well together stays together."""
        return TPESampler(
            n_startup_trials=self.config.startup,
            n_ei_candidates=self.config.candidates,
            multivariate=True,
            seed=seed,
        )
