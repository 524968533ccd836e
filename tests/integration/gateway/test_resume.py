"""A reconnecting client receives every missed event once and in order, or a snapshot with its reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.settings import Settings


def ids(messages: list[dict[str, Any]]) -> list[str]:
    return [message["id"] for message in messages if message["type"].startswith("task_") and "id" in message]


def synced(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out messages that may come any time: queue positions, which have no seq, and service states."""
    return [
        message
        for message in messages
        if message["type"] != "service" and (message["type"] != "task_update" or "seq" in message["data"])
    ]


async def test_a_dropped_client_resumes_exactly_from_memory(world: GatewayHarness) -> None:
    async with world.open() as client:
        task = await world.service.submit("ann")
        last = (await client.next())["id"]
    await world.service.work(task.task_id)
    await world.service.submit("bob")
    await world.service.complete(task.task_id)
    reads = world.service.replays
    async with world.open(since=last) as client:
        await client.until(lambda m: m["type"] == "task_complete")
        await world.service.submit("ann")
        await client.next()
        assert ids(client.messages) == ["e0:2", "e0:3", "e0:4"]
    assert world.service.replays == reads, "the gateway's own memory reaches back that far"


async def test_what_happened_before_the_gateway_started_is_read_from_the_service(
    service_with_history: GatewayHarness,
) -> None:
    world = service_with_history
    async with world.open(since="e0:0") as client:
        await client.until(lambda m: m.get("id") == "e0:1200")
        assert ids(client.messages) == [f"e0:{seq}" for seq in range(1, 1201)]
    assert world.service.replays == 3, "one read per page of 500"


async def test_many_events_while_a_client_resumes_come_once_and_in_order(world: GatewayHarness) -> None:
    await world.service.submit_many("ann", 700)
    async with world.open(since="e0:0") as client:
        for _ in range(300):
            await world.service.submit("ann")
            await client.socket.ping()
        await client.until(lambda m: m.get("id") == "e0:1000")
        assert ids(client.messages) == [f"e0:{seq}" for seq in range(1, 1001)]


async def test_sync_within_the_connection(world: GatewayHarness) -> None:
    async with world.open() as client:
        for _ in range(3):
            await world.service.submit("ann")
        await client.until(lambda m: m.get("id") == "e0:3")
        await client.send(type="sync", since="e0:1")
        again = await client.until(lambda m: m.get("id") == "e0:3")
        assert ids(again) == ["e0:2", "e0:3"]
        await world.service.submit("ann")
        assert (await client.next())["id"] == "e0:4"


async def test_sync_by_time(world: GatewayHarness) -> None:
    await world.service.submit("ann")
    between = datetime.now(UTC)
    await world.service.submit("ann")
    async with world.open(since=between.isoformat(), v2=True) as client:
        messages = await client.until(lambda m: m["type"] == "sync_end")
        assert ids(messages) == ["e0:2"]
        assert messages[1] == {"type": "sync_begin", "mode": "replay", "reason": None}


async def test_sync_by_time_before_the_kept_log_is_a_snapshot(world: GatewayHarness) -> None:
    for _ in range(3):
        await world.service.submit("ann")
    await world.service.compact(1)
    async with world.open(since="2001-01-01T00:00:00Z", v2=True) as client:
        messages = await client.until(lambda m: m["type"] == "sync_end")
        assert messages[1] == {"type": "sync_begin", "mode": "snapshot", "reason": "cursor_too_old"}
        assert [m["task_id"] for m in messages[2:-1]] == [1, 2, 3]


async def test_a_clock_that_is_ahead_loses_nothing(world: GatewayHarness) -> None:
    await world.service.submit("ann")
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with world.open(since=ahead, v2=True) as client:
        await client.until(lambda m: m["type"] == "sync_end")
        await world.service.submit("ann")
        assert (await client.next())["id"] == "e0:2"
        await client.send(type="sync", since=ahead)
        await client.until(lambda m: m["type"] == "sync_end")
        await world.service.submit("ann")
        assert (await client.next())["id"] == "e0:3"


@pytest.mark.parametrize(
    ("since", "reason"),
    [("e0:1", "cursor_too_old"), ("e0:99", "cursor_in_future"), ("dead:3", "epoch_changed")],
)
async def test_a_cursor_that_cannot_be_resumed_gets_a_snapshot_that_says_why(
    service: DrivenService, settings: Settings, since: str, reason: str
) -> None:
    one, two = await service.submit("ann"), await service.submit("ann")
    await service.work(one.task_id)
    await service.complete(one.task_id)
    await service.cancel(two.task_id)
    await service.compact(2)
    # A restarted service and gateway have none of it in memory.
    await service.stop()
    await service.start()
    async with running(service, settings) as world, world.open(since=since, v2=True) as client:
        hello, begin, *tasks, end = synced(await client.until(lambda m: m["type"] == "sync_end"))
        assert hello["user_id"] == "ann"
        assert begin == {"type": "sync_begin", "mode": "snapshot", "reason": reason}
        assert [task["task_id"] for task in tasks] == [1, 2]
        assert end == {"type": "sync_end", "mode": "snapshot", "reason": reason, "head": "e0:5"}


async def test_in_the_base_protocol_only_the_last_task_of_a_snapshot_has_an_id(world: GatewayHarness) -> None:
    one, _two = await world.service.submit("ann"), await world.service.submit("ann")
    await world.service.work(one.task_id)
    async with world.open(since="dead:0") as client:
        messages = await client.until(lambda m: "id" in m)
        assert [(m["task_id"], m.get("id")) for m in messages] == [(2, None), (1, "e0:3")]


async def test_a_quiet_client_gets_a_cursor_to_resume_from(world: GatewayHarness) -> None:
    await world.service.submit("ann")
    async with world.open(v2=True) as client:
        bookmark = (await client.until(lambda m: m["type"] == "bookmark"))[-1]
    await world.service.submit("ann")
    async with world.open(since=bookmark["id"], v2=True) as client:
        messages = await client.until(lambda m: m.get("id") == "e0:2")
        assert ids(messages) in (["e0:2"], ["e0:1", "e0:2"])
        assert all(m.get("mode") != "snapshot" for m in messages)


class TestServiceRestart:
    """The service restarts; sockets stay open."""

    async def test_sockets_stay_open_and_nothing_is_lost(self, world: GatewayHarness) -> None:
        async with world.open() as client:
            task = await world.service.submit("ann")
            await client.next()
            await world.service.stop()
            # A worker elsewhere continues.
            async with world.service.unserved():
                await world.service.work(task.task_id)
                await world.service.complete(task.task_id)
            await client.settled()
            await world.service.start()
            await client.until(lambda m: m["type"] == "task_complete")
            await world.service.submit("ann")
            await client.next()
            assert ids(client.messages) == ["e0:1", "e0:2", "e0:3", "e0:4"]

    async def test_readiness_says_so(self, world: GatewayHarness) -> None:
        assert (await world.http.get("/readyz")).json() == {"status": "ready"}
        async with world.open() as client:
            await world.service.stop()
            async with asyncio.timeout(PATIENCE):
                while (answer := await world.http.get("/readyz")).status_code != 503:
                    continue
            assert answer.headers["Retry-After"] == "2"
            assert (await world.http.get("/healthz")).status_code == 200
            refused = await world.http.get("/api/v2/tasks", headers=world.headers())
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "service_unavailable"
            await world.service.start()
            await world.service.submit("ann")
            await client.next()
            assert (await world.http.get("/readyz")).status_code == 200

    async def test_a_client_that_connects_meanwhile_is_served_when_it_is_back(self, world: GatewayHarness) -> None:
        task = await world.service.submit("ann")
        await world.service.stop()
        async with world.open(since="e0:0") as client:
            await client.settled()
            async with world.service.unserved():
                await world.service.work(task.task_id)
            await world.service.start()
            await client.until(lambda m: m.get("id") == "e0:2")
            assert ids(client.messages) == ["e0:1", "e0:2"]

    async def test_a_log_that_lost_events_reaches_open_sockets_as_a_snapshot(self, world: GatewayHarness) -> None:
        async with world.open(v2=True) as client:
            await client.until(lambda m: m["type"] == "bookmark")
            kept = await world.service.submit("ann")
            await client.next()
            backup = world.service.back_up()
            await world.service.submit_many("ann", 3)
            await client.until(lambda m: m.get("id") == "e0:4")
            # The service keeps running and does not notice the restore.
            world.service.bring_back(backup)
            begin, state, end = synced(await client.until(lambda m: m["type"] == "sync_end"))
            assert begin == {"type": "sync_begin", "mode": "snapshot", "reason": "epoch_changed"}
            assert state["task_id"] == kept.task_id
            assert not end["head"].startswith("e0:")
            tasks = [await world.service.submit("ann") for _ in range(4)]
            await client.until(lambda m: m.get("task_id") == tasks[-1].task_id)
            epoch = end["head"].partition(":")[0]
            assert ids(client.messages)[-4:] == [f"{epoch}:{seq}" for seq in range(2, 6)]

    async def test_a_new_epoch_reaches_open_sockets_as_a_snapshot(self, world: GatewayHarness) -> None:
        async with world.open(v2=True) as client:
            await client.until(lambda m: m["type"] == "bookmark")
            task = await world.service.submit("ann")
            await client.next()
            await world.service.stop()
            world.service.restore("beef")
            await world.service.start()
            begin, state, end = synced(await client.until(lambda m: m["type"] == "sync_end"))
            assert begin == {"type": "sync_begin", "mode": "snapshot", "reason": "epoch_changed"}
            assert state["task_id"] == task.task_id
            assert end["head"] == "beef:1"
            await world.service.work(task.task_id)
            assert (await client.next())["id"] == "beef:2"
