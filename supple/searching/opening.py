"""Opening all that a search keeps in its database: the studies, the ledger, the measurements."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from supple.cost import MeasurementStore
from supple.searching.config import SearchConfig
from supple.searching.ledger import DatabaseLedger, Ledger, MemoryLedger
from supple.searching.problem import Problem
from supple.searching.study import Study, close_storage, database_of, open_storage
from supple.storage.places import Place


def study_names(config: SearchConfig) -> dict[int, tuple[str, str]]:
    """Return the names of the studies of each seed: that of the search, and that of its baseline."""
    seeds = range(config.seed, config.seed + config.seeds)
    return {seed: (f"search {seed}", f"baseline {seed}") for seed in seeds}


@dataclass(frozen=True)
class Opened:
    """What a search keeps: studies by name, what is known of members, and latencies.

    `alone` keeps other processes out meanwhile that open the same database.
    """

    place: Place
    studies: dict[str, Study]
    ledger: Ledger
    measurements: MeasurementStore
    alone: Callable[[], AbstractContextManager[None]]

    def claim(self, key: str, value: str, what: str) -> None:
        """Bind all studies to a value, as `Study.claim` does one."""
        with self.alone():
            for study in self.studies.values():
                study.claim(key, value, what)


@contextmanager
def opened_studies(problem: Problem, config: SearchConfig, given: Place | Path | str | None) -> Iterator[Opened]:
    """Open the studies at a path or a URL, in memory for None; other processes may have them open, too."""
    place = Place.of(given)
    storage = open_storage(place)
    names = [name for both in study_names(config).values() for name in both]
    database = database_of(storage)
    ledger: Ledger | None = None
    try:
        with place.alone(database):
            studies = {name: Study(storage, place, name, problem, config.settings()) for name in names}
            ledger = MemoryLedger() if place.is_memory else DatabaseLedger(database, place)
            measurements = MeasurementStore(database, place)
        yield Opened(place, studies, ledger, measurements, partial(place.alone, database))
    finally:
        if ledger is not None:
            ledger.close()
        close_storage(storage, place)
