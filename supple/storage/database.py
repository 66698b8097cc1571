"""Databases whose finished transactions survive a crash: SQLite that writes ahead and flushes at every commit."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from supple.errors import SuppleError

WAIT_SECONDS = 60
"""How long a transaction waits for those of other processes."""


def open_database(path: Path | None) -> sqlalchemy.Engine:
    """Open the database at `path`, or one in memory where it is None."""
    if path is None:
        # One connection for all: each would have a database of its own.
        return sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    engine = sqlalchemy.create_engine(f"sqlite:///{path.absolute()}", connect_args={"timeout": WAIT_SECONDS})
    make_durable(engine)
    return engine


def make_durable(engine: sqlalchemy.Engine) -> None:
    """Make every connection from now on write ahead, and flush each transaction to the disk."""
    sqlalchemy.event.listen(engine, "connect", _set_durable)
    # Connections opened before the listener was there have other settings.
    engine.dispose()


def close_database(engine: sqlalchemy.Engine, path: Path | None) -> None:
    """Let go of a database, all of it in its one file: what is sealed or copied after this is whole."""
    engine.dispose()
    if path is not None:
        with database_errors(path), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        engine.dispose()


@contextmanager
def database_errors(path: Path | None, *others: type[Exception]) -> Iterator[None]:
    """Turn the errors of a damaged, locked or full database, and `others` that they become, into one line."""
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, *others)
    try:
        yield
    except errors as error:
        cause = error.__cause__ or error
        line = str(getattr(cause, "orig", cause)).splitlines()[0]
        raise SuppleError(f'The study "{path}" cannot be used: {line}.') from error


def _set_durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
