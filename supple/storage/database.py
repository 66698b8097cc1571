"""Databases whose finished transactions survive a crash: SQLite that writes ahead and flushes at every commit, or a
server.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from supple.errors import SuppleError
from supple.storage.places import Place

WAIT_SECONDS = 60
"""How long a transaction waits for those of other processes."""


def open_database(place: Place | Path | None) -> sqlalchemy.Engine:
    """Open the database at a place or in a file, or one in memory where it is None."""
    place = Place.of(place)
    if place.is_memory:
        # One connection for all: each would have a database of its own.
        return sqlalchemy.create_engine(place.url, poolclass=sqlalchemy.StaticPool)
    engine = sqlalchemy.create_engine(place.url, **engine_settings(place))
    if place.path is not None:
        make_durable(engine)
    return engine


def engine_settings(place: Place) -> dict[str, Any]:
    """Return the arguments of `sqlalchemy.create_engine` for a database that several processes may use."""
    # A server drops connections that are idle for long; a connection is tried before it is used.
    return {"pool_pre_ping": True} if place.is_server else {"connect_args": {"timeout": WAIT_SECONDS}}


def make_durable(engine: sqlalchemy.Engine) -> None:
    """Make every connection to a file from now on write ahead, and flush each transaction to the disk."""
    sqlalchemy.event.listen(engine, "connect", _set_durable)
    # Connections opened before the listener was there have other settings.
    engine.dispose()


def close_database(engine: sqlalchemy.Engine, place: Place | Path | None) -> None:
    """Let go of a database; a file that no other process uses is then whole by itself, and can be sealed or copied."""
    engine.dispose()
    place = Place.of(place)
    if place.path is not None:
        with database_errors(place):
            _end_writing_ahead(engine)
        engine.dispose()


def _end_writing_ahead(engine: sqlalchemy.Engine) -> None:
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    except OperationalError as error:
        # Another process uses it still, and does this when it ends.
        if "locked" not in str(error.orig):
            raise


@contextmanager
def database_errors(place: Place | Path | None, *others: type[Exception]) -> Iterator[None]:
    """Turn errors of a damaged, locked, full or unreachable database, and `others` that they become, into one line."""
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, *others)
    try:
        yield
    except errors as error:
        cause = error.__cause__ or error
        line = str(getattr(cause, "orig", cause)).splitlines()[0]
        raise SuppleError(f'The study "{place}" cannot be used: {line}.') from error


def _set_durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
