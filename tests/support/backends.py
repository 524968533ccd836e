"""The store's backends, and empty databases of each. A further one joins by a class and its name in `BACKENDS`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from psycopg import sql

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.contract import Limits
from generator_service.store.postgres import open_postgres
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from generator_service.store.writer import CommitListener
from tests.support.clock import SettableClock
from tests.support.postgres import PostgresServer


class Database(Protocol):
    """One empty database."""

    def open(self, *, clock: Clock, limits: Limits, retry: RetryPolicy, on_commit: CommitListener) -> SqlTaskStore:
        """Open it; opened again, it is the same database."""
        ...


class Backend(Protocol):
    """Makes databases, from one that was migrated once: migrating each would take most of the time."""

    def database(self) -> AbstractContextManager[Database]:
        """Make an empty database for the block."""
        ...


class SqliteFile:
    """A database in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, *, clock: Clock, limits: Limits, retry: RetryPolicy, on_commit: CommitListener) -> SqlTaskStore:
        return open_sqlite(self.path, clock=clock, limits=limits, retry=retry, on_commit=on_commit)


class Sqlite:
    """Files copied from a migrated one."""

    def __init__(self, _request: pytest.FixtureRequest, folder: Path) -> None:
        self._folder = folder
        self._fresh = folder / "fresh.db"
        migrate_once(SqliteFile(self._fresh))

    @contextmanager
    def database(self) -> Iterator[SqliteFile]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        shutil.copy(self._fresh, folder / "tasks.db")
        yield SqliteFile(folder / "tasks.db")
        shutil.rmtree(folder)


class PostgresDatabase:
    """A database of a server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, *, clock: Clock, limits: Limits, retry: RetryPolicy, on_commit: CommitListener) -> SqlTaskStore:
        return open_postgres(self.url, clock=clock, limits=limits, retry=retry, on_commit=on_commit)


class Postgres:
    """One database of the server that the tests share, emptied again and again: making one takes longer."""

    EMPTY = sql.SQL(
        "TRUNCATE users, tasks, events RESTART IDENTITY; UPDATE log_head SET revision = 0, compacted_revision = 0"
    )

    def __init__(self, request: pytest.FixtureRequest, _folder: Path) -> None:
        self._server: PostgresServer = request.getfixturevalue("postgres")
        self._name = self._server.create()
        migrate_once(PostgresDatabase(self._server.url(self._name)))

    @contextmanager
    def database(self) -> Iterator[PostgresDatabase]:
        self._server.execute(self.EMPTY, self._name)
        yield PostgresDatabase(self._server.url(self._name))


BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Path], Backend]] = {"sqlite": Sqlite, "postgres": Postgres}


def migrate_once(database: Database) -> None:
    """Open and close it."""
    store = database.open(clock=SettableClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _events: None)
    asyncio.run(store.close())
