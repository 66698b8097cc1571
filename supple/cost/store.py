"""Kept measurements: nothing is measured twice, and no figure stands for another machine, runtime or target."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy
from sqlalchemy import Column, MetaData, String, Table

from supple.cost.latency import Latency
from supple.errors import SuppleError
from supple.machine import Machine
from supple.runtime.target import Target
from supple.storage.database import close_database, database_errors, open_database
from supple.storage.places import Place

_TABLE = Table(
    "supple_measurements",
    MetaData(),
    Column("program", String(64), primary_key=True),
    Column("reference", String(64), primary_key=True),
    Column("target", String(255), primary_key=True),
    Column("runtime", String(64), primary_key=True),
    Column("machine", String(64), primary_key=True),
    Column("latency", String, nullable=False),
    Column("machine_description", String, nullable=False),
    Column("measured", String(32), nullable=False),
)


@dataclass(frozen=True)
class Conditions:
    """All that a latency depends on but for the program: the target, the runtime's version, the machine, the reference.

    `reference` is the hash of the program whose time is the unit of the others', or "" where there was none.
    """

    target: Target
    runtime_version: str
    machine: Machine
    reference: str

    @property
    def key(self) -> dict[str, str]:
        """The columns that they are."""
        return {
            "reference": self.reference,
            "target": str(self.target),
            "runtime": self.runtime_version,
            "machine": self.machine.identity,
        }


class MeasurementStore:
    """Latencies by program and conditions, in a table of a database: that of the study, or one by itself."""

    def __init__(self, engine: sqlalchemy.Engine, path: Place | Path | None = None) -> None:
        """Make the table where there is none. Raises `SuppleError` where the database, at `path`, cannot be used."""
        self._engine = engine
        self._path = path
        with database_errors(path):
            _TABLE.create(engine, checkfirst=True)

    @classmethod
    @contextmanager
    def opened(cls, path: Path | None) -> "Iterator[MeasurementStore]":
        """Open the store in the SQLite file at `path`, or in memory where it is None, and close it at the end."""
        engine = open_database(path)
        try:
            yield cls(engine, path)
        finally:
            close_database(engine, path)

    def get(self, program: str, conditions: Conditions) -> Latency | None:
        """Return the latency of the program with this hash, if it was measured under these conditions."""
        columns = {"program": program, **conditions.key}
        query = sqlalchemy.select(_TABLE.c.latency).where(*(_TABLE.c[name] == value for name, value in columns.items()))
        with database_errors(self._path), self._engine.connect() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else _latency(found)

    def put(self, program: str, conditions: Conditions, latency: Latency) -> None:
        """Keep a latency; it is on the disk when this returns. Another process's, of the same, is kept instead."""
        row = {
            "program": program,
            **conditions.key,
            "latency": json.dumps(asdict(latency)),
            "machine_description": json.dumps(conditions.machine.to_json()),
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with database_errors(self._path):
            try:
                with self._engine.begin() as connection:
                    connection.execute(_TABLE.insert(), row)
            except sqlalchemy.exc.IntegrityError:
                return

    def reference_ms(self, conditions: Conditions) -> float | None:
        """Return how long earlier measurements under these conditions took the reference to run, if there are any."""
        query = sqlalchemy.select(_TABLE.c.latency).where(
            *(_TABLE.c[name] == value for name, value in conditions.key.items())
        )
        with database_errors(self._path), self._engine.connect() as connection:
            found = connection.execute(query.order_by(_TABLE.c.measured).limit(1)).scalar()
        return None if found is None else _latency(found).reference_ms


def _latency(text: str) -> Latency:
    try:
        return Latency(**json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise SuppleError(f"The database holds a measurement that is none: {error}.") from None
