"""Batches over HTTP and WebSocket."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import PICTURE


async def submit(world: GatewayHarness, batch: str, user: str = "ann") -> int:
    answer = await world.http.post(
        f"/api/v2/tasks/async?batch_id={batch}", files={"file": ("cup.png", PICTURE)}, headers=world.headers(user)
    )
    assert answer.status_code == 202, answer.text
    task = answer.json()
    assert task["batch_id"] == batch
    return int(task["task_id"])


async def test_batch_is_followed_to_its_one_end(world: GatewayHarness) -> None:
    first, second = [await submit(world, "order-17") for _ in range(2)]
    await world.service.work(first)
    progress = await world.http.get("/api/v2/batches/order-17", headers=world.headers())
    batch = progress.json()
    assert (batch["total"], batch["pending"], batch["processing"], batch["closed"]) == (2, 1, 1, False)
    async with world.open() as old, world.open(v2=True) as new:
        await new.until(lambda message: message["type"] == "bookmark")
        closed = await world.http.post("/api/v2/batches/order-17/close", headers=world.headers())
        assert (closed.json()["closed"], closed.json()["finished_at"]) == (True, None)
        await world.service.complete(first)
        await world.service.work(second)
        await world.service.fail(second)
        for client in (old, new):
            messages = await client.until(lambda message: "batch" in message.get("data", {}))
            (end,) = [message for message in messages if "batch" in message.get("data", {})]
            assert (end["type"], end["task_id"]) == ("task_failed", second)
            batch = end["data"]["batch"]
            assert (batch["batch_id"], batch["completed"], batch["failed"], batch["total"]) == ("order-17", 1, 1, 2)
            assert batch["finished_at"] is not None
    refused = await world.http.post(
        "/api/v2/tasks/async?batch_id=order-17", files={"file": ("cup.png", PICTURE)}, headers=world.headers()
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "batch_closed")
    listed = await world.http.get("/api/generation/tasks?batch_id=order-17", headers=world.headers())
    assert [task["task_id"] for task in listed.json()["tasks"]] == [second, first]


async def test_batch_is_cancelled_and_deleted_as_one(world: GatewayHarness) -> None:
    ids = [await submit(world, "b") for _ in range(2)]
    other = await submit(world, "b", "bob")
    cancelled = await world.http.post("/api/v2/batches/b/cancel", headers=world.headers())
    assert (cancelled.json()["cancelled"], cancelled.json()["finished_at"] is not None) == (2, True)
    deleted = await world.http.delete("/api/v2/batches/b", headers=world.headers())
    assert sorted(deleted.json()["task_ids"]) == ids
    for method, path in (("GET", ""), ("POST", "/close"), ("POST", "/cancel"), ("DELETE", "")):
        answer = await world.http.request(method, f"/api/v2/batches/b{path}", headers=world.headers())
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "batch_not_found"), (method, path)
    of_bob: dict[str, Any] = (await world.http.get("/api/v2/batches/b", headers=world.headers("bob"))).json()
    assert of_bob["pending"] == 1
    assert (await world.service.task(other)).batch_id == "b"


@pytest.mark.parametrize("name", ["a b", "ü", "x" * 101])
async def test_name_that_can_not_be_used_is_refused(world: GatewayHarness, name: str) -> None:
    answer = await world.http.post(
        "/api/v2/tasks/async",
        params={"batch_id": name},
        files={"file": ("cup.png", PICTURE)},
        headers=world.headers(),
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
    assert (await world.http.get(f"/api/v2/batches/{name}", headers=world.headers())).status_code == 422
