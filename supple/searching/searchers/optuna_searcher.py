"""Searchers that Optuna has: its samplers are asked about a copy of the history, with new dice for every proposal.

The study in the database is not theirs to read: it holds what of the current round is told already, and what a process
that died had asked for, and proposals may depend on neither.
"""

import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from supple.searching.evaluation import Evaluation
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher
from supple.space import Config, Dimension, Kind


class OptunaSearcher(Searcher):
    """Asks a sampler, made anew for every proposal, until it comes up with a member that has no outcome yet.

    In the copy a config is one parameter per dimension, the index of its value; the options of an operator have no
    order. Objectives are minimised. A member's excess over the constraints stands beside them, and samplers prefer
    those that keep them. Repeats and members that failed are left out.
    """

    tries = 8
    """How often the sampler is asked before a random member takes the place of known ones."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._distributions = {entry.name: _distribution_of(entry) for entry in self.space.dimensions}
        self._free = {name: entry for name, entry in self._distributions.items() if not entry.single()}
        self._study = self._new_study()
        self._copied: tuple[Evaluation, ...] = ()

    @abstractmethod
    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return the sampler for one proposal, which must draw from this seed alone."""

    def marks(self, index: int) -> dict[str, Any]:
        """Return what Optuna's sampler itself would have noted with the evaluated member of this index."""
        return {}

    def propose(self, history: History) -> Config:
        """Ask the sampler; draw a random member where it comes up with known ones only."""
        study = self.copy_of(history)
        self.add_pending(study, history.pending)
        rng = random.Random(self.integer_seed(history))
        proposed = self._first_new(study, history, rng)
        # Nothing of one proposal stays for the next: samplers look at complete and at running trials alone.
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        return proposed or self.random_new(history, rng)

    def copy_of(self, history: History) -> optuna.Study:
        """Return a study in memory of the members that were evaluated; it grows with the history."""
        evaluations = history.evaluations
        if evaluations[: len(self._copied)] != self._copied:
            self.forget()
        for index in range(len(self._copied), len(evaluations)):
            self._study.add_trial(self._complete(evaluations[index], self.marks(index)))
        self._copied = evaluations
        return self._study

    def add_pending(self, study: optuna.Study, pending: Sequence[Config]) -> None:
        """Add the proposals under way, which samplers keep away from."""
        for config in pending:
            state = TrialState.RUNNING
            study.add_trial(create_trial(state=state, params=self._indices(config), distributions=self._distributions))

    def forget(self) -> None:
        """Begin a new copy."""
        self._study = self._new_study()
        self._copied = ()

    def _new_study(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        directions = [StudyDirection.MINIMIZE] * len(self.problem.objectives)
        return optuna.create_study(storage=optuna.storages.InMemoryStorage(), directions=directions)

    def _first_new(self, study: optuna.Study, history: History, rng: random.Random) -> Config | None:
        for _ in range(self.tries):
            config = self._sampled(study, self.sampler(rng.getrandbits(32)))
            if config not in history.seen:
                return config
        return None

    def _sampled(self, study: optuna.Study, sampler: optuna.samplers.BaseSampler) -> Config:
        """Ask a sampler in the way of Optuna's trials, but for finding out the distributions, which takes longest."""
        study.sampler = sampler
        asked = study.ask()
        trial = study.get_trials(deepcopy=False)[asked.number]
        drawn = sampler.sample_relative(study, trial, self._free)
        for name, distribution in self._free.items():
            if name not in drawn:
                drawn[name] = sampler.sample_independent(study, trial, name, distribution)
        study.tell(asked, state=TrialState.FAIL)
        return self.space.config({name: self.space[name].values[at] for name, at in drawn.items()})

    def _complete(self, evaluation: Evaluation, marks: dict[str, Any]) -> FrozenTrial:
        constrained = bool(self.problem.constraints)
        return create_trial(
            params=self._indices(evaluation.config),
            distributions=self._distributions,
            values=self.problem.losses([evaluation])[0].tolist(),
            constraints={"excess": self.problem.excess(evaluation)} if constrained else None,
            system_attrs=marks,
        )

    def _indices(self, config: Config) -> dict[str, int]:
        return {name: self.space[name].values.index(value) for name, value in config.items()}


def _distribution_of(dimension: Dimension) -> BaseDistribution:
    count = len(dimension.values)
    return CategoricalDistribution(range(count)) if dimension.kind is Kind.OPERATOR else IntDistribution(0, count - 1)
