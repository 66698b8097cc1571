"""Studies: an SQLite database of all trials, in which no finished trial is lost."""

from contextlib import AbstractContextManager
from pathlib import Path

import optuna
import sqlalchemy
from optuna.study import StudyDirection
from optuna.trial import TrialState

from supple.errors import SuppleError
from supple.machine import Machine
from supple.searching.evaluation import Evaluation, Failure
from supple.space import Space
from supple.storage.database import WAIT_SECONDS, close_database, database_errors, make_durable, open_database

EVALUATION = "evaluation"
FAILURE = "failure"
SPACE = "space"
SETTINGS = "settings"
MACHINE = "machine"


def open_storage(path: Path | None) -> optuna.storages.BaseStorage:
    """Open the database at `path`, or one in memory where it is None.

    The database writes ahead and flushes every transaction to the disk. Raises `SuppleError` where the file is no such
    database or cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if path is None:
        return optuna.storages.InMemoryStorage()
    with _storage_errors(path):
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{path.absolute()}", engine_kwargs={"connect_args": {"timeout": WAIT_SECONDS}}
        )
        make_durable(storage.engine)
        return storage


def database_of(storage: optuna.storages.BaseStorage) -> sqlalchemy.Engine:
    """Return the database of a storage: what else belongs to a study stands there too."""
    return storage.engine if isinstance(storage, optuna.storages.RDBStorage) else open_database(None)


def close_storage(storage: optuna.storages.BaseStorage, path: Path | None) -> None:
    """Let go of a database, all of it in its one file: what is sealed or copied after this is whole."""
    if isinstance(storage, optuna.storages.RDBStorage):
        close_database(storage.engine, path)


def _storage_errors(path: Path | None) -> AbstractContextManager[None]:
    """Turn the errors of a damaged, locked or full database into one line."""
    return database_errors(path, optuna.exceptions.StorageInternalError)


class Study:
    """One search's trials: proposals and evaluations, each told in one go, and read back after a restart."""

    def __init__(self, storage: optuna.storages.BaseStorage, path: Path | None, name: str, space: Space, settings: str):
        self._path = path
        with _storage_errors(path):
            self.optuna = optuna.create_study(
                study_name=name,
                storage=storage,
                directions=[StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE],
                load_if_exists=True,
            )
            self._claim(SPACE, space.digest, "another space")
            self._claim(SETTINGS, settings, "other settings")
            self._settle_interrupted()

    def _settle_interrupted(self) -> None:
        """Finish the trials of a process that died: those already evaluated count, the others never happened."""
        for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if EVALUATION in trial.user_attrs:
                self.optuna.tell(trial.number, Evaluation.from_json(trial.user_attrs[EVALUATION]).point)
            else:
                self.optuna.tell(trial.number, state=TrialState.FAIL)
        for _ in self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self.optuna.tell(self.optuna.ask(), state=TrialState.FAIL)

    def _claim(self, key: str, value: str, what: str) -> None:
        held = self.optuna.user_attrs.get(key)
        if held is None:
            self.optuna.set_user_attr(key, value)
        elif held != value:
            raise SuppleError(
                f'The study "{self._path}" was made with {what} ({held}, not {value}): use another file or folder.'
            )

    def claim_machine(self, machine: Machine) -> None:
        """Note the machine that latencies are measured on. Raises `SuppleError` where it was another one before."""
        held = self.optuna.user_attrs.get(MACHINE)
        if held is None:
            self.optuna.set_user_attr(MACHINE, machine.to_json())
        elif (earlier := Machine.from_json(held)).identity != machine.identity:
            raise SuppleError(
                f'The latencies in the study "{self._path}" are of another machine ({earlier.summary()}) than this one '
                f"({machine.summary()}), and cannot stand in one search: go on there, or begin a new one."
            )

    def tell(self, trial: optuna.Trial, evaluation: Evaluation) -> None:
        """Record a finished evaluation."""
        with _storage_errors(self._path):
            trial.set_user_attr(EVALUATION, evaluation.to_json())
            self.optuna.tell(trial, evaluation.point)

    def tell_failure(self, trial: optuna.Trial, failure: Failure) -> None:
        """Record that a member could not be evaluated."""
        with _storage_errors(self._path):
            trial.set_user_attr(FAILURE, failure.to_json())
            self.optuna.tell(trial, state=TrialState.FAIL)

    def outcomes(self) -> list[Evaluation | Failure]:
        """Return what came of all finished trials in their order, repeats included."""
        with _storage_errors(self._path):
            trials = self.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
        # A trial that an interruption ended has neither: it never happened.
        return [
            Evaluation.from_json(trial.user_attrs[EVALUATION])
            if EVALUATION in trial.user_attrs
            else Failure.from_json(trial.user_attrs[FAILURE])
            for trial in trials
            if {EVALUATION, FAILURE} & trial.user_attrs.keys()
        ]
