"""The backends. A further one joins by a class like `SqliteBackend` and its name in `BACKENDS`."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.contract import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from generator_service.store.writer import CommitListener
from tests.support.clock import SettableClock
from tests.support.store import Commits, Desk


class Backend(Protocol):
    """One empty database."""

    def open(self, *, clock: Clock, limits: Limits, retry: RetryPolicy, on_commit: CommitListener) -> SqlTaskStore:
        """Open it; opened again, it is the same database."""
        ...


class SqliteBackend:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tasks.db"

    def open(self, *, clock: Clock, limits: Limits, retry: RetryPolicy, on_commit: CommitListener) -> SqlTaskStore:
        """Open the file."""
        return open_sqlite(self._path, clock=clock, limits=limits, retry=retry, on_commit=on_commit)


BACKENDS: dict[str, Callable[[Path], Backend]] = {"sqlite": SqliteBackend}


class OpenStore:
    """Opens the test's database, as often as the test likes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stores: list[SqlTaskStore] = []
        self._clock = SettableClock()

    def __call__(self, limits: Limits | None = None, *, retry: RetryPolicy | None = None) -> Desk:
        """Open the database, with the test's clock and a seeded retry policy."""
        commits = Commits()
        store = self._backend.open(
            clock=self._clock,
            limits=limits or Limits(pending_per_user=100, running_per_user=4),
            retry=retry or RetryPolicy(random=random.Random(7)),
            on_commit=commits,
        )
        self._stores.append(store)
        return Desk(store, self._clock, commits)

    async def close(self) -> None:
        """Close all that was opened."""
        for store in self._stores:
            await store.close()


@pytest.fixture(params=BACKENDS)
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    """Give a fresh database of each backend."""
    opener = OpenStore(BACKENDS[request.param](tmp_path))
    yield opener
    await opener.close()


@pytest.fixture
def desk(open_store: OpenStore) -> Desk:
    """Give a fresh store with ordinary limits."""
    return open_store()
