"""The store's backends, with empty databases. To add one, write a class and add its name to `BACKENDS`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from psycopg import sql

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import WaitPolicy
from generator_service.store.limits import Limits
from generator_service.store.postgres import open_postgres
from generator_service.store.queue_clock import SteadyClock
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from generator_service.store.tables import log_head, metadata
from generator_service.store.writer import CommitListener
from tests.support.clock import SettableClock
from tests.support.postgres import PostgresServer


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database, which can be opened several times."""

    opener: Callable[..., SqlTaskStore]

    def open(
        self,
        *,
        clock: Clock,
        limits: Limits,
        retry: RetryPolicy,
        on_commit: CommitListener,
        waits: WaitPolicy | None = None,
    ) -> SqlTaskStore:
        """Open it."""
        return self.opener(clock=clock, limits=limits, retry=retry, on_commit=on_commit, waits=waits)


class Backend(Protocol):
    """Makes databases by copying one that was migrated once: migrating each would take most of the time."""

    def database(self) -> AbstractContextManager[Database]:
        """Make an empty database for the block."""
        ...


def sqlite_file(path: Path) -> Database:
    """Return the database in a file."""
    return Database(partial(open_sqlite, path))


class Sqlite:
    """Files copied from a migrated one."""

    def __init__(self, _request: pytest.FixtureRequest, folder: Path) -> None:
        self._folder = folder
        self._fresh = folder / "fresh.db"
        migrate_once(sqlite_file(self._fresh))

    @contextmanager
    def database(self) -> Iterator[Database]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        shutil.copy(self._fresh, folder / "tasks.db")
        yield sqlite_file(folder / "tasks.db")
        shutil.rmtree(folder)


def postgres_database(url: str) -> Database:
    """Return a database of a server. The test's clock replaces the server's, which can't be set."""

    def open_it(*, clock: Clock, **others: Any) -> SqlTaskStore:
        return open_postgres(url, clock=clock, queue_clock=SteadyClock(clock, clock.now()), **others)

    return Database(open_it)


class Postgres:
    """One database of a server shared by the tests, emptied for each: creating one takes longer."""

    EMPTY = sql.SQL(
        "TRUNCATE {tables} RESTART IDENTITY;"
        " UPDATE log_head SET revision = 0, compacted_revision = 0, started = 0, forgotten_seq = 0"
    ).format(tables=sql.SQL(", ").join(sql.Identifier(name) for name in metadata.tables if name != log_head.name))

    def __init__(self, request: pytest.FixtureRequest, _folder: Path) -> None:
        self._server: PostgresServer = request.getfixturevalue("postgres")
        self._name = self._server.create()
        migrate_once(postgres_database(self._server.url(self._name)))

    @contextmanager
    def database(self) -> Iterator[Database]:
        self._server.execute(self.EMPTY, self._name)
        yield postgres_database(self._server.url(self._name))


BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Path], Backend]] = {"sqlite": Sqlite, "postgres": Postgres}


def migrate_once(database: Database) -> None:
    """Open and close it."""
    store = database.open(clock=SettableClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _events: None)
    asyncio.run(store.close())
