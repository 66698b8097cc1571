"""The contract of every searcher: it proposes configs, and learns from what came of them.

Life cycle: `supple.searching.search` makes one searcher per study and calls `propose` once for every member that is to
be evaluated, with a study that holds all results so far. The searcher keeps no state of its own between calls: what it
proposes is a pure function of the space, the seed and the finished trials of the study. So a search that is killed goes
on, after a restart, as if nothing had happened.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution, IntDistribution

from supple.space import Config, Space


class Searcher(ABC):
    """Proposes the next config of a study.

    In the study a config is one integer parameter per dimension: the index of its value. Dimensions of dropped blocks
    have a parameter too; `config_of` ignores it.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def propose(self, study: optuna.Study, number: int) -> optuna.Trial:
        """Ask the study for a trial; `number` counts the finished trials, repeats included."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters of a trial."""
        return {dimension.name: IntDistribution(0, len(dimension.values) - 1) for dimension in self.space.dimensions}

    def config_of(self, trial: optuna.Trial | optuna.trial.FrozenTrial) -> Config:
        """Return the config that a trial's parameters stand for."""
        return self.space.config(
            {dimension.name: dimension.values[trial.params[dimension.name]] for dimension in self.space.dimensions}
        )

    def propose_config(self, study: optuna.Study, config: Mapping[str, int]) -> optuna.Trial:
        """Ask the study for a trial of the given config."""
        study.enqueue_trial({name: self.space[name].values.index(value) for name, value in config.items()})
        return study.ask(self.distributions)
