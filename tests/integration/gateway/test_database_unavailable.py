"""Responses to HTTP clients while the service's database fails."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from tests.integration.gateway.world import GatewayHarness
from tests.support.photos import product_photo


@pytest.mark.parametrize(
    ("pragma", "code", "retry_after"),
    [
        ("PRAGMA query_only = ON", "database_read_only", "30"),
        # No page can be added, which is how SQLite sees a full disk.
        ("PRAGMA max_page_count = 1", "database_disk_full", "30"),
    ],
)
async def test_an_upload_is_refused_with_the_reason_of_the_service(
    world: GatewayHarness, pragma: str, code: str, retry_after: str
) -> None:
    store = world.service.running.parts.store
    database = store._writing  # type: ignore[attr-defined]  # SQLite's, beyond the contract
    # On each connection: a failed one is replaced, and the service writes in the background too.
    event.listen(database, "connect", lambda connection, _: connection.execute(pragma))
    database.dispose()
    files = {"file": ("mug.png", product_photo(640, 480), "image/png")}
    answers = [await world.http.post("/api/v2/tasks", files=files, headers=world.headers())]
    while answers[-1].status_code == 202 and len(answers) < 200:
        answers.append(await world.http.post("/api/v2/tasks", files=files, headers=world.headers()))
    refused = answers[-1]
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == code
    assert "try again" in refused.json()["error"]["message"]
    assert refused.headers["Retry-After"] == retry_after
