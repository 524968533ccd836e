"""Live events over a real socket."""

from __future__ import annotations

import re

import pytest
from websockets.typing import Subprotocol

from tests.integration.gateway.world import Client, GatewayHarness, token_for
from tests.support.driven_service import PICTURE
from ws_gateway.upstream import hub


async def test_a_client_sees_its_tasks_go_through_every_state(world: GatewayHarness) -> None:
    async with world.open() as client:
        task = await world.service.submit("ann")
        await world.service.work(task.task_id)
        await world.service.progress(task.task_id, 40)
        await world.service.complete(task.task_id)
        messages = await client.until(lambda m: m["type"] == "task_complete")
    durable = [m for m in messages if "id" in m]
    assert [m["data"]["status"] for m in durable] == ["pending", "processing", "completed"]
    assert [m["id"] for m in durable] == ["e0:1", "e0:2", "e0:3"]
    assert all(m["task_id"] == task.task_id for m in messages)
    link = durable[-1]["data"]["result_image_url"]
    assert re.fullmatch(r"/images/1/result\?user=ann&exp=\d+&sig=[\w-]+", link)
    assert (await world.http.get(link)).content == PICTURE


async def test_news_of_somebody_else_never_come(world: GatewayHarness) -> None:
    async with world.open("ann") as ann, world.open("bob") as bob:
        await world.service.submit("bob", filename="secret.png")
        mine = await world.service.submit("ann")
        assert (await ann.next())["task_id"] == mine.task_id
        assert (await bob.next())["data"]["filename"] == "secret.png"


async def test_an_operator_who_watches_the_queue_gets_a_hint_about_any_users_tasks(world: GatewayHarness) -> None:
    token = token_for("ops", scope="tasks admin")
    async with world.open_raw(f"?token={token}", subprotocols=[Subprotocol("whitebg.v2")]) as socket:
        operator = Client(socket)
        await operator.until(lambda m: m["type"] == "hello")
        await operator.send(type="watch_queue")
        await operator.until(lambda m: m["type"] == "queue_changed")
        await world.service.submit("ann")
        messages = await operator.until(lambda m: m["type"] == "queue_changed")
    assert not [m for m in messages if "task_id" in m], "an operator got another user's task"


async def test_every_socket_of_a_user_gets_the_news(world: GatewayHarness) -> None:
    async with world.open() as one, world.open() as two:
        await world.service.submit("ann")
        assert await one.next() == await two.next()


async def test_progress_carries_no_id_and_ends_with_its_task(world: GatewayHarness) -> None:
    async with world.open() as client:
        task = await world.service.submit("ann")
        await world.service.work(task.task_id)
        await client.until(lambda m: m["data"]["status"] == "processing")
        await world.service.progress(task.task_id, 10)
        progress = await client.next()
        assert progress["data"]["progress"] == 10
        assert "id" not in progress
        assert progress["data"]["elapsed_time"] >= 0
        await world.service.cancel(task.task_id)
        await world.service.progress(task.task_id, 90)
        marker = await world.service.submit("ann")
        rest = await client.until(lambda m: m["task_id"] == marker.task_id)
        assert [m["type"] for m in rest] == ["task_failed", "task_update"]
        assert rest[0]["data"]["error_code"] == "cancelled"


async def test_loss_and_return_of_the_service_are_reported(world: GatewayHarness) -> None:
    async with world.open(v2=True) as client:
        await client.until(lambda m: m["type"] == "bookmark")
        await world.service.stop()
        await client.until(lambda m: m == {"type": "service", "available": False})
        async with world.open(v2=True) as late:
            assert [(await late.next())["type"] for _ in range(2)] == ["hello", "service"]
        await world.service.start()
        await client.until(lambda m: m == {"type": "service", "available": True})


async def test_stream_that_ends_for_a_moment_is_no_loss_of_the_service(
    world: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.open(v2=True) as client:
        await client.until(lambda m: m["type"] == "bookmark")
        monkeypatch.setattr(hub, "LOSS_S", 3600.0)
        await world.service.stop()
        await world.service.start()
        await world.service.submit("ann")
        await client.until(lambda m: m["type"] == "task_update")
        assert "service" not in {message["type"] for message in client.messages}
