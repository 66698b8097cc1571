"""Where a database is: a file of SQLite, a server of PostgreSQL, or memory; a path says it, or a URL."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from supple.errors import MissingExtraError, SuppleError
from supple.storage.folder_lock import folder_locked

_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")
_OPENING = 0x5AFE0001
"""The number of the advisory lock that a server holds while a study is made or opened."""


@dataclass(frozen=True)
class Place:
    """Where a database is. A file has a `path`; what has neither path nor server is in memory."""

    url: sqlalchemy.URL
    path: Path | None = None

    @classmethod
    def of(cls, given: "Place | Path | str | None") -> "Place":
        """Return the place that a path or a URL names; memory for None.

        A text with `://` in it is a URL: `sqlite:///FILE`, or `postgresql://USER@HOST/DATABASE`. Raises `SuppleError`
        for any other, and `MissingExtraError` where the driver of the server is not installed.
        """
        if isinstance(given, Place):
            return given
        if given is None:
            return cls(sqlalchemy.URL.create("sqlite"))
        if isinstance(given, Path) or "://" not in given:
            return cls._of_file(Path(given))
        return cls._of_url(given)

    @classmethod
    def _of_file(cls, path: Path) -> "Place":
        return cls(sqlalchemy.URL.create("sqlite", database=str(path.absolute())), path)

    @classmethod
    def _of_url(cls, given: str) -> "Place":
        try:
            url = sqlalchemy.make_url(given)
        except (ArgumentError, ValueError):
            raise _no_place(given) from None
        if url.drivername == "sqlite" and url.database and url.database != ":memory:":
            return cls._of_file(Path(url.database))
        if url.drivername not in _POSTGRES:
            raise _no_place(url.render_as_string())
        if importlib.util.find_spec("psycopg") is None:
            raise MissingExtraError("psycopg", "postgres", f'The study "{url.render_as_string()}"')
        return cls(url.set(drivername="postgresql+psycopg"))

    @property
    def is_server(self) -> bool:
        """Whether other machines can reach it."""
        return self.url.drivername != "sqlite"

    @property
    def is_memory(self) -> bool:
        """Whether it vanishes with this process."""
        return self.path is None and not self.is_server

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        return self.url.set(drivername="postgresql").render_as_string() if self.is_server else "memory"

    @contextmanager
    def alone(self, engine: sqlalchemy.Engine) -> Iterator[None]:
        """Keep other processes out meanwhile that open the same database in this way; their death lets go."""
        if self.path is not None:
            with folder_locked(self.path.absolute().parent):
                yield
        elif self.is_server:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_OPENING)))
                try:
                    yield
                finally:
                    connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_unlock(_OPENING)))
        else:
            yield


def _no_place(given: str) -> SuppleError:
    return SuppleError(
        f'"{given}" is no place for a study: expected a path, sqlite:///FILE or postgresql://USER@HOST/DATABASE.'
    )
