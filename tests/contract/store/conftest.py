"""The stores under test: each test runs on every backend, in its own database."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import WaitPolicy
from generator_service.store.limits import Limits
from generator_service.store.sql import SqlTaskStore
from tests.support.backends import BACKENDS, Backend, Database
from tests.support.clock import SettableClock
from tests.support.store import Commits, StoreHarness


class OpenStore:
    """Opens the test's database, any number of times."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stores: list[SqlTaskStore] = []
        self._clock = SettableClock()

    def __call__(
        self, limits: Limits | None = None, *, retry: RetryPolicy | None = None, waits: WaitPolicy | None = None
    ) -> StoreHarness:
        """Open the database, with the test's clock and a seeded retry policy."""
        commits = Commits()
        store = self._database.open(
            clock=self._clock,
            limits=limits or Limits(pending_per_user=100, running_per_user=4),
            retry=retry or RetryPolicy(random=random.Random(7)),
            on_commit=commits,
            waits=waits,
        )
        self._stores.append(store)
        return StoreHarness(store, self._clock, commits)

    async def close(self) -> None:
        """Close every opened store."""
        for store in self._stores:
            await store.close()


@pytest.fixture(params=BACKENDS, scope="session")
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """Return each backend in turn."""
    return BACKENDS[request.param](request, tmp_path_factory.mktemp("backend"))


@pytest.fixture
async def open_store(backend: Backend) -> AsyncIterator[OpenStore]:
    """Open stores on a fresh database of each backend."""
    with backend.database() as database:
        opener = OpenStore(database)
        yield opener
        await opener.close()


@pytest.fixture
def desk(open_store: OpenStore) -> StoreHarness:
    """Return a fresh store with ordinary limits."""
    return open_store()
