"""Deletion over HTTP, and how it reaches sockets, pollers and clients that come back."""

from __future__ import annotations

from typing import Any

import pytest

from generator_service.domain.errors import TaskNotFound
from tests.integration.gateway.world import GatewayHarness


def deletes(message: dict[str, Any], task_id: int) -> bool:
    return message.get("task_id") == task_id and message["data"].get("deleted") is True


async def test_deleted_task_is_gone_for_every_reader(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    await world.service.work(task.task_id)
    await world.service.complete(task.task_id)
    async with world.open() as old, world.open(v2=True) as new, world.open("bob") as other:
        await new.until(lambda message: message["type"] == "bookmark")

        answer = await world.http.delete(f"/api/v2/tasks/{task.task_id}", headers=world.headers())

        assert (answer.status_code, answer.content) == (204, b"")
        for client in (old, new):
            (*_, message) = await client.until(lambda message: deletes(message, task.task_id))
            assert (message["type"], message["id"]) == ("task_failed", "e0:4")
            assert (message["data"]["status"], message["data"]["error_code"]) == ("failed", "deleted")
            assert message["data"]["result_image_url"] is None
        await other.settled()
        assert [message["type"] for message in other.messages] == ["pong", "pong"]
    async with world.open(since="e0:3") as late:
        (message,) = await late.until(lambda message: deletes(message, task.task_id))
        assert message["id"] == "e0:4"
    async with world.open(v2=True) as fresh:
        await fresh.send(type="sync")
        messages = await fresh.until(lambda message: message["type"] == "sync_end")
        assert not [message for message in messages if message["type"].startswith("task_")]
        assert messages[-1]["head"] == "e0:4"
    polled = await world.http.post("/api/messages/sync", json={"since": "e0:3"}, headers=world.headers())
    (message,) = polled.json()["messages"]
    assert deletes(message, task.task_id)
    listed = await world.http.get("/api/v2/tasks", headers=world.headers())
    assert (listed.json()["tasks"], listed.json()["total"]) == ([], 0)


async def test_deleted_task_is_not_found(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    await world.service.work(task.task_id)
    done = await world.service.complete(task.task_id)
    assert done.result is not None
    before = await world.http.get(f"/api/v2/tasks/{task.task_id}", headers=world.headers())
    image = before.json()["result_image_url"]
    assert (await world.http.get(image)).status_code == 200
    await world.http.delete(f"/api/v2/tasks/{task.task_id}", headers=world.headers())
    again = await world.http.delete(f"/api/v2/tasks/{task.task_id}", headers=world.headers())
    assert (again.status_code, again.json()["error"]["code"]) == (404, "task_not_found")
    for method, path in (
        ("GET", f"/api/v2/tasks/{task.task_id}"),
        ("GET", f"/api/v2/tasks/{task.task_id}/status"),
        ("POST", f"/api/v2/tasks/{task.task_id}/cancel"),
        ("POST", f"/api/v2/tasks/{task.task_id}/retry"),
        ("GET", image),
    ):
        answer = await world.http.request(method, path, headers=world.headers())
        assert answer.status_code == 404, (method, path, answer.text)


async def test_several_tasks_and_all(world: GatewayHarness) -> None:
    first, second, third = [await world.service.submit("ann") for _ in range(3)]
    of_bob = await world.service.submit("bob")
    body: dict[str, Any] = {"task_ids": [first.task_id, of_bob.task_id]}
    answer = await world.http.post("/api/v2/tasks/delete", json=body, headers=world.headers())
    assert answer.json() == {"task_ids": [first.task_id], "missing_task_ids": [of_bob.task_id]}
    answer = await world.http.post("/api/v2/tasks/delete", json={"all": True}, headers=world.headers())
    assert sorted(answer.json()["task_ids"]) == [second.task_id, third.task_id]
    with pytest.raises(TaskNotFound):
        await world.service.task(third.task_id)
    assert (await world.service.task(of_bob.task_id)).task_id == of_bob.task_id


@pytest.mark.parametrize(
    "body", [{}, {"task_ids": []}, {"task_ids": [1], "all": True}, {"task_ids": [0]}, {"alle": True}]
)
async def test_selection_must_be_clear(world: GatewayHarness, body: dict[str, Any]) -> None:
    answer = await world.http.post("/api/v2/tasks/delete", json=body, headers=world.headers())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


async def test_waiting_for_a_task_ends_when_it_is_deleted(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    async with world.open() as client:
        await world.http.delete(f"/api/v2/tasks/{task.task_id}", headers=world.headers())
        messages = await client.until(lambda message: deletes(message, task.task_id))
    assert [message["data"]["error_code"] for message in messages if message["type"] == "task_failed"] == [
        "cancelled",
        "deleted",
    ]
