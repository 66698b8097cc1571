"""Studies: a database of all trials, in which no finished trial is lost; SQLite in a file, or any that a URL names."""

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from supple.errors import SuppleError
from supple.machine import Machine
from supple.searching.evaluation import Evaluation, Failure, Outcome
from supple.searching.problem import Problem
from supple.searching.wishes import Direction
from supple.space import Config, Space
from supple.storage.database import close_database, database_errors, engine_settings, make_durable, open_database
from supple.storage.places import Place

NUMBER = "number"
EVALUATION = "evaluation"
FAILURE = "failure"
EXCESS = "excess"
SPACE = "space"
SETTINGS = "settings"
WEIGHTS = "weights"
PRECISION = "precision"
MACHINES = "machines"

_DIRECTIONS = {Direction.MAXIMIZE: StudyDirection.MAXIMIZE, Direction.MINIMIZE: StudyDirection.MINIMIZE}


def open_storage(given: Place | Path | str | None) -> optuna.storages.BaseStorage:
    """Open the database at a path or a URL, or one in memory for None.

    The database flushes every transaction to the disk. Raises `SuppleError` where the file or the server is no such
    database, cannot be reached or cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = Place.of(given)
    if place.is_memory:
        return optuna.storages.InMemoryStorage()
    with storage_errors(place):
        # Two processes that make the tables at the same time would be in each other's way.
        with place.alone(opening := open_database(place)):
            url = place.url.render_as_string(hide_password=False)
            storage = optuna.storages.RDBStorage(url, engine_kwargs=engine_settings(place))
        opening.dispose()
        if place.path is not None:
            make_durable(storage.engine)
        return storage


def database_of(storage: optuna.storages.BaseStorage) -> sqlalchemy.Engine:
    """Return the database of a storage: what else belongs to a study stands there too."""
    return storage.engine if isinstance(storage, optuna.storages.RDBStorage) else open_database(None)


def close_storage(storage: optuna.storages.BaseStorage, given: Place | Path | str | None) -> None:
    """Let go of a database; a file that no other process uses is then whole by itself, and can be sealed or copied."""
    if isinstance(storage, optuna.storages.RDBStorage):
        close_database(storage.engine, Place.of(given))


def storage_errors(place: Place) -> AbstractContextManager[None]:
    """Turn the errors of a damaged, locked, full or unreachable database into one line."""
    return database_errors(place, optuna.exceptions.StorageInternalError)


@dataclass(frozen=True)
class Proposal:
    """A trial of a study, by Optuna's id: the member that was proposed, and what came of it, None if nothing yet."""

    trial: int
    config: Config
    outcome: Outcome | None


class Study:
    """The trials of one search, in the order of its proposals.

    A config is one integer parameter per dimension there: the index of its value. Dimensions of dropped blocks have a
    parameter too, which means nothing. A proposal is a running trial, written in one go; its number in the search
    stands beside it. When it is told, its values are the objectives, and its user attributes hold the whole evaluation.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        given: Place | Path | str | None,
        name: str,
        problem: Problem,
        settings: str,
    ) -> None:
        """Open the study of that name, or make it. Raises `SuppleError` where it belongs to another search."""
        self.name = name
        self.problem = problem
        self._place = Place.of(given)
        self.distributions: dict[str, BaseDistribution] = {
            dimension.name: IntDistribution(0, len(dimension.values) - 1) for dimension in self.space.dimensions
        }
        self._finished: dict[int, Proposal] = {}
        with storage_errors(self._place):
            self.optuna = optuna.create_study(
                study_name=name,
                storage=storage,
                # It is never asked: proposals are the searcher's.
                sampler=optuna.samplers.RandomSampler(),
                directions=[_DIRECTIONS[entry.direction] for entry in problem.objectives],
                load_if_exists=True,
            )
            self.claim(SPACE, self.space.digest, "another space")
            self.claim(SETTINGS, settings, "other settings")
            if not self.optuna.metric_names:
                with warnings.catch_warnings():
                    # That dashboards show names is worth a call that may change.
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    self.optuna.set_metric_names([entry.figure for entry in problem.objectives])

    @property
    def space(self) -> Space:
        """The space that trials are of."""
        return self.problem.space

    def claim(self, key: str, value: str, what: str) -> None:
        """Bind the study to a value. Raises `SuppleError`, which says `what` it has, where it is bound to another."""
        held = self.attribute(key)
        if held is None:
            self.optuna.set_user_attr(key, value)
        elif held != value:
            raise SuppleError(
                f'The study "{self._place}" was made with {what} ({held}, not {value}): use another file or folder.'
            )

    def attribute(self, key: str) -> str | None:
        """Return what stands in the study under a key of its own, None where nothing does."""
        held = self.optuna.user_attrs.get(key)
        return None if held is None else str(held)

    def claim_machines(self, machines: Mapping[str, Machine]) -> None:
        """Note the machine that each target's figures are measured on.

        Raises `SuppleError` where it was another one before.
        """
        held = self.optuna.user_attrs.get(MACHINES, {})
        for target, machine in machines.items():
            if target in held and (earlier := Machine.from_json(held[target])).identity != machine.identity:
                raise SuppleError(
                    f'The latencies in the study "{self._place}" are of another machine ({earlier.summary()}) than '
                    f"this one ({machine.summary()}), and cannot stand in one search: go on there, or begin a new one."
                )
        self.optuna.set_user_attr(MACHINES, {target: machine.to_json() for target, machine in machines.items()} | held)

    def proposals(self) -> list[Proposal]:
        """Return all proposals so far, by their number in the search."""
        with storage_errors(self._place):
            trials = self.optuna.get_trials(deepcopy=False)
        found: dict[int, Proposal] = {}
        for trial in trials:
            # Of two with one number, the first counts: a process was taken for dead while it proposed, and was not.
            if NUMBER in trial.user_attrs:
                found.setdefault(trial.user_attrs[NUMBER], self._proposal(trial))
        return [found[number] for number in sorted(found)]

    def propose(self, config: Config, number: int) -> None:
        """Add a proposal. It is on the disk when this returns, whole, or it never was."""
        trial = create_trial(
            state=TrialState.RUNNING,
            params={name: self.space[name].values.index(value) for name, value in config.items()},
            distributions=self.distributions,
            user_attrs={NUMBER: number},
        )
        with storage_errors(self._place):
            self.optuna.add_trial(trial)

    def tell(self, trial: int, outcome: Outcome) -> None:
        """Record what came of a trial; nothing happens where another process has done so."""
        with storage_errors(self._place):
            try:
                self._tell(optuna.Trial(self.optuna, trial), outcome)
            except optuna.exceptions.UpdateFinishedTrialError:
                return

    def _tell(self, trial: optuna.Trial, outcome: Outcome) -> None:
        if isinstance(outcome, Failure):
            trial.set_user_attr(FAILURE, outcome.to_json())
            self.optuna.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            return
        if self.problem.constraints:
            trial.set_user_attr(EXCESS, self.problem.excess(outcome))
        trial.set_user_attr(EVALUATION, outcome.to_json())
        values = [outcome.figures[entry.figure] for entry in self.problem.objectives]
        self.optuna.tell(trial, values, skip_if_finished=True)

    def outcomes(self) -> list[Outcome]:
        """Return what came of all proposals that were told, by their number, repeats included."""
        return [entry.outcome for entry in self.proposals() if entry.outcome is not None]

    def _proposal(self, trial: FrozenTrial) -> Proposal:
        if trial._trial_id in self._finished:
            return self._finished[trial._trial_id]
        values = {dimension.name: dimension.values[trial.params[dimension.name]] for dimension in self.space.dimensions}
        config = self.space.config(values)
        if not trial.state.is_finished():
            return Proposal(trial._trial_id, config, None)
        return self._finished.setdefault(trial._trial_id, Proposal(trial._trial_id, config, _outcome_of(trial)))


def _outcome_of(trial: FrozenTrial) -> Outcome:
    if EVALUATION in trial.user_attrs:
        return Evaluation.from_json(trial.user_attrs[EVALUATION])
    return Failure.from_json(trial.user_attrs[FAILURE])
