"""Releases side by side: this code on the schema of a later one, as it is during an upgrade or after a way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.contract.store.conftest import OpenStore
from tests.support.backends import BACKENDS, Backend
from tests.support.store import RESULT, audit, failure

LATER_RELEASE = [
    "ALTER TABLE tasks ADD COLUMN region VARCHAR(32)",
    "ALTER TABLE events ADD COLUMN size INTEGER DEFAULT 0 NOT NULL",
    "CREATE TABLE webhooks (id INTEGER PRIMARY KEY, url TEXT NOT NULL)",
    "CREATE INDEX ix_tasks_region ON tasks (region)",
    "UPDATE alembic_version SET version_num = '9999'",
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A backend whose databases no other test uses."""
    return BACKENDS[request.param](request, tmp_path)


async def test_this_code_works_on_the_schema_of_a_later_release(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    with backend.database() as database:
        opener = OpenStore(database)
        working = opener()
        held = await working.running("ann")

        def upgrade(connection: Connection) -> None:
            for statement in LATER_RELEASE:
                connection.execute(text(statement))

        with working.store._writing.begin() as connection:
            upgrade(connection)
        # The process of this release that was running goes on, and a new one can start.
        await working.store.complete(held.lease, RESULT)
        started = opener()
        assert "newer release" in caplog.text
        task = await started.running("bob")
        await started.store.fail(task.lease, failure(retryable=False))
        await working.add("ann")
        assert len(await audit(started.store)) == 7
        await opener.close()
