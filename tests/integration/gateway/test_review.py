"""Decisions over HTTP, and how they reach sockets, pollers and clients that come back."""

from __future__ import annotations

from typing import Any

from tests.integration.gateway.world import GatewayHarness


async def _review(world: GatewayHarness, task_ids: list[int], review: str) -> Any:
    body = {"task_ids": task_ids, "review": review}
    return await world.http.post("/api/v2/tasks/review", json=body, headers=world.headers())


def decides(message: dict[str, Any], review: str) -> bool:
    return bool(message["type"].startswith("task_") and message["data"].get("review") == review)


async def test_decision_reaches_every_reader(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    await world.service.work(task.task_id)
    done = await world.service.complete(task.task_id)
    before = (await world.http.get(f"/api/v2/tasks/{task.task_id}", headers=world.headers())).json()
    async with world.open() as old, world.open(v2=True) as new, world.open("bob") as other:
        await new.until(lambda message: message["type"] == "bookmark")

        answer = await _review(world, [task.task_id, 999], "accepted")

        assert (answer.status_code, answer.json()) == (
            200,
            {"task_ids": [task.task_id], "unfinished_task_ids": [], "missing_task_ids": [999]},
        )
        for client in (old, new):
            (*_, message) = await client.until(lambda message: decides(message, "accepted"))
            assert (message["type"], message["id"], message["task_id"]) == ("task_complete", "e0:4", task.task_id)
            assert message["data"]["status"] == "completed"
        await other.settled()
        assert [message["type"] for message in other.messages] == ["pong", "pong"]
    polled = await world.http.post("/api/messages/sync", json={"since": "e0:3"}, headers=world.headers())
    (message,) = polled.json()["messages"]
    assert decides(message, "accepted")
    after = (await world.http.get(f"/api/v2/tasks/{task.task_id}", headers=world.headers())).json()
    assert (before["review"], after["review"]) == ("open", "accepted")
    assert after["finished_at"] == before["finished_at"]
    assert after["elapsed_time"] == before["elapsed_time"], "the time to the end, not to the decision"
    assert done.finished_at is not None


async def test_list_by_decision(world: GatewayHarness) -> None:
    ids = []
    for _ in range(2):
        task = await world.service.submit("ann")
        await world.service.work(task.task_id)
        await world.service.complete(task.task_id)
        ids.append(task.task_id)
    await world.service.submit("ann")
    assert (await _review(world, ids[:1], "rejected")).status_code == 200
    for review, expected in (("rejected", ids[:1]), ("open", ids[1:]), ("accepted", [])):
        page = await world.http.get("/api/v2/tasks", params={"review": review}, headers=world.headers())
        assert [each["task_id"] for each in page.json()["tasks"]] == expected
    assert (await _review(world, ids[:1], "open")).json()["task_ids"] == ids[:1]
    page = await world.http.get("/api/v2/tasks", params={"review": "open"}, headers=world.headers())
    assert page.json()["total"] == 2


async def test_tasks_without_a_result_are_named(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    answer = await _review(world, [task.task_id], "accepted")
    assert answer.json()["unfinished_task_ids"] == [task.task_id]


async def test_unusable_requests_are_rejected(world: GatewayHarness) -> None:
    for task_ids, review in (([], "accepted"), ([1], "perhaps"), ([0], "accepted"), (list(range(1, 1002)), "open")):
        answer = await _review(world, task_ids, review)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
    anonymous = await world.http.post("/api/v2/tasks/review", json={"task_ids": [1], "review": "open"})
    assert anonymous.status_code == 401
