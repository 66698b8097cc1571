"""What came of every member, and which process is at it: a member is evaluated once, whoever proposes it.

All studies of a search share one ledger, in memory or in their database. There a process claims members before it
evaluates them, and none evaluates what another one claims that is alive. What a process claimed that has died is free.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import sqlalchemy
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from supple.searching.evaluation import Evaluation, Failure, Outcome
from supple.searching.owners import Heartbeat, Owner
from supple.space import Config
from supple.storage.database import database_errors
from supple.storage.places import Place

_METADATA = MetaData()
_OWNERS = Table(
    "supple_owners",
    _METADATA,
    Column("name", String(32), primary_key=True),
    Column("system", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String, nullable=False),
    Column("seen", Float, nullable=False),
)
_CLAIMS = Table(
    "supple_claims",
    _METADATA,
    Column("name", String(80), primary_key=True),
    Column("owner", String(32)),
    Column("outcome", Text),
)
_QUALITIES = Table(
    "supple_qualities",
    _METADATA,
    Column("name", String(80), primary_key=True),
    Column("quality", Float, nullable=False),
)


class Ledger(Protocol):
    """Knows outcomes, and hands out claims."""

    def known(self, configs: Iterable[Config]) -> dict[Config, Outcome]:
        """Return the outcomes of those members that have one."""

    def claim(self, configs: Sequence[Config]) -> list[Config]:
        """Claim members without outcome; return those that are now this process's: its share, in their order."""

    def settle(self, outcome: Outcome) -> Outcome:
        """Note what came of a member, and return what stands: the first outcome that was noted of it."""

    def qualities(self, configs: Iterable[Config]) -> dict[Config, float]:
        """Return the qualities of those members of which one was noted, whether or not the rest is known."""

    def note_qualities(self, found: Mapping[Config, float]) -> None:
        """Note qualities, all finite, before what else an evaluation takes."""

    def lock(self, name: str) -> bool:
        """Take a lock by its name, unless another process has it that is alive."""

    def unlock(self, name: str) -> None:
        """Let go of a lock."""

    def close(self) -> None:
        """Let go of everything, claimed members that have no outcome above all."""


class MemoryLedger:
    """The ledger of one process."""

    def __init__(self) -> None:
        self._known: dict[Config, Outcome] = {}

    def known(self, configs: Iterable[Config]) -> dict[Config, Outcome]:
        """Return the outcomes of those members that have one."""
        return {config: self._known[config] for config in configs if config in self._known}

    def claim(self, configs: Sequence[Config]) -> list[Config]:
        """Return those that have no outcome: no other process wants them."""
        return [config for config in configs if config not in self._known]

    def settle(self, outcome: Outcome) -> Outcome:
        """Note what came of a member."""
        return self._known.setdefault(outcome.config, outcome)

    def qualities(self, configs: Iterable[Config]) -> dict[Config, float]:
        """Return none: what is in memory is lost with the evaluation that it was noted of."""
        return {}

    def note_qualities(self, found: Mapping[Config, float]) -> None:
        """There is no use in it."""

    def lock(self, name: str) -> bool:
        """Every lock is free."""
        return True

    def unlock(self, name: str) -> None:
        """There is nothing to let go of."""

    def close(self) -> None:
        """There is nothing to let go of."""


class DatabaseLedger:
    """The ledger of all processes that search in one database."""

    def __init__(self, engine: sqlalchemy.Engine, place: Place) -> None:
        """Make the tables where there are none. Raises `SuppleError` where the database cannot be used."""
        self._engine = engine
        self._place = place
        self._known: dict[Config, Outcome] = {}
        self._insert = postgresql.insert if place.is_server else sqlite.insert
        # All machines go by the clock of the server; a file is on one machine.
        clock = "extract(epoch from clock_timestamp())" if place.is_server else "(julianday('now') - 2440587.5) * 86400"
        self._now = sqlalchemy.literal_column(clock, Float)
        self._owner = Owner.this_process()
        with database_errors(place):
            _METADATA.create_all(engine)
            self._sign_in()
        self._heartbeat = Heartbeat(self._beat)

    def known(self, configs: Iterable[Config]) -> dict[Config, Outcome]:
        """Return the outcomes of those members that have one."""
        wanted = list(dict.fromkeys(configs))
        self._look_up([config for config in wanted if config not in self._known])
        return {config: self._known[config] for config in wanted if config in self._known}

    def claim(self, configs: Sequence[Config]) -> list[Config]:
        """Claim members without outcome; return those that are now this process's: its share, in their order."""
        names = {_name(config): config for config in configs if config not in self._known}
        with database_errors(self._place):
            alive = self._bury_the_dead()
            mine = self._take(list(names), -(-len(names) // alive))
        return [names[name] for name in names if name in mine]

    def settle(self, outcome: Outcome) -> Outcome:
        """Note what came of a member, and return what stands: the first outcome that was noted of it."""
        row = {"name": _name(outcome.config), "owner": None, "outcome": outcome.to_json()}
        statement = self._insert(_CLAIMS).values(row)
        noted = statement.on_conflict_do_update(
            index_elements=["name"], set_={"owner": None, "outcome": row["outcome"]}, where=_CLAIMS.c.outcome.is_(None)
        )
        with database_errors(self._place), self._engine.begin() as connection:
            connection.execute(noted)
            stands = connection.execute(
                sqlalchemy.select(_CLAIMS.c.outcome).where(_CLAIMS.c.name == row["name"])
            ).scalar_one()
        self._known[outcome.config] = outcome if stands == row["outcome"] else _read(stands)
        return self._known[outcome.config]

    def qualities(self, configs: Iterable[Config]) -> dict[Config, float]:
        """Return the qualities of those members of which one was noted, whether or not the rest is known."""
        names = {_name(config): config for config in configs}
        query = sqlalchemy.select(_QUALITIES.c.name, _QUALITIES.c.quality).where(_QUALITIES.c.name.in_(list(names)))
        with database_errors(self._place), self._engine.connect() as connection:
            return {names[name]: quality for name, quality in connection.execute(query)}

    def note_qualities(self, found: Mapping[Config, float]) -> None:
        """Note qualities, all finite, before what else an evaluation takes."""
        statement = self._insert(_QUALITIES).on_conflict_do_nothing(index_elements=["name"])
        rows = [{"name": _name(config), "quality": quality} for config, quality in found.items()]
        if rows:
            with database_errors(self._place), self._engine.begin() as connection:
                connection.execute(statement, rows)

    def lock(self, name: str) -> bool:
        """Take a lock by its name, unless another process has it that is alive."""
        with database_errors(self._place):
            if self._take([name], 1):
                return True
            self._bury_the_dead()
            return bool(self._take([name], 1))

    def unlock(self, name: str) -> None:
        """Let go of a lock."""
        with database_errors(self._place), self._engine.begin() as connection:
            connection.execute(_CLAIMS.delete().where(_CLAIMS.c.name == name, *self._is_mine()))

    def close(self) -> None:
        """Let go of everything."""
        self._heartbeat.stop()
        self._owner.retire()
        # Where the disk is full, or the server gone, others find that the owner is no more.
        with suppress(SQLAlchemyError):
            self._forget(self._owner)

    def _is_mine(self) -> tuple[sqlalchemy.ColumnElement[bool], ...]:
        return _CLAIMS.c.owner == self._owner.name, _CLAIMS.c.outcome.is_(None)

    def _take(self, names: Sequence[str], most: int) -> set[str]:
        """Claim the first free ones; return those that were free."""
        taken: set[str] = set()
        with self._engine.begin() as connection:
            # In one order for all processes: on a server, none then waits for another that waits for it.
            for name in sorted(names):
                if len(taken) == most:
                    break
                statement = self._insert(_CLAIMS).values(name=name, owner=self._owner.name)
                statement = statement.on_conflict_do_nothing(index_elements=["name"])
                # Counts of rows are not what drivers agree on; the rows are.
                taken.update(connection.execute(statement.returning(_CLAIMS.c.name)).scalars())
        return taken

    def _look_up(self, configs: Sequence[Config]) -> None:
        if not configs:
            return
        names = {_name(config): config for config in configs}
        query = sqlalchemy.select(_CLAIMS.c.name, _CLAIMS.c.outcome).where(
            _CLAIMS.c.name.in_(list(names)), _CLAIMS.c.outcome.is_not(None)
        )
        with database_errors(self._place), self._engine.connect() as connection:
            found = connection.execute(query).all()
        self._known |= {names[name]: _read(outcome) for name, outcome in found}

    def _sign_in(self) -> None:
        row = {"name": self._owner.name, "system": self._owner.system, "pid": self._owner.pid}
        statement = self._insert(_OWNERS).values(**row, started=self._owner.started, seen=self._now)
        with self._engine.begin() as connection:
            # Where others took it for dead, it is among them again; what it claimed may be theirs by now.
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"seen": self._now}))

    def _beat(self) -> None:
        # The next beat tries again; what must be written says itself that it cannot be.
        with suppress(SQLAlchemyError):
            self._sign_in()

    def _bury_the_dead(self) -> int:
        """Free what processes claimed that have died; return the number of those alive, this one included."""
        query = sqlalchemy.select(
            _OWNERS.c.name, _OWNERS.c.system, _OWNERS.c.pid, _OWNERS.c.started, self._now - _OWNERS.c.seen
        ).where(_OWNERS.c.name != self._owner.name)
        with self._engine.connect() as connection:
            others = [
                (Owner(name, system, pid, started), silent)
                for name, system, pid, started, silent in connection.execute(query)
            ]
        alive = [owner for owner, silent in others if owner.is_alive(silent)]
        for owner, _ in others:
            if owner not in alive:
                self._forget(owner)
        return 1 + len(alive)

    def _forget(self, owner: Owner) -> None:
        with self._engine.begin() as connection:
            connection.execute(_CLAIMS.delete().where(_CLAIMS.c.owner == owner.name, _CLAIMS.c.outcome.is_(None)))
            connection.execute(_OWNERS.delete().where(_OWNERS.c.name == owner.name))


def _name(config: Config) -> str:
    return f"member {hashlib.sha256(config.to_json().encode()).hexdigest()}"


def _read(text: str) -> Outcome:
    try:
        is_failure = "reason" in json.loads(text)
    except (ValueError, TypeError, RecursionError):
        is_failure = False
    return Failure.from_json(text) if is_failure else Evaluation.from_json(text)
