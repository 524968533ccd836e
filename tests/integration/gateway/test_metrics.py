"""The gateway's metrics and statistics after real requests and real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket

import httpx
import pytest

from generator_service.domain.breaker import BLOBS, Outage
from generator_service.domain.task import WaitReason
from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import DrivenService
from tests.support.http import http_client
from tests.support.patience import PATIENCE, eventually
from ws_gateway.server import CannotListen, make_server
from ws_gateway.settings import Settings
from ws_gateway.telemetry.metrics import Metrics


def metrics(world: GatewayHarness) -> Metrics:
    return world.server.gateway.metrics


def sample(world: GatewayHarness, name: str, **labels: str) -> float:
    return metrics(world).registry.get_sample_value(name, labels) or 0.0


async def test_metrics_are_served_as_prometheus_reads_them(world: GatewayHarness) -> None:
    assert [
        (await world.http.get("/metrics", headers=headers)).status_code for headers in ({}, world.headers("ann"))
    ] == [401, 403], "on the port that browsers reach, they are for administrators"
    answer = await world.http.get("/metrics", headers=world.headers("root", scope="admin"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "whitebg_ws_connections_open 0.0" in answer.text
    assert "whitebg_hub_connected 1.0" in answer.text
    assert "process_resident_memory_bytes" in answer.text


async def test_metrics_have_a_port_of_their_own(service: DrivenService, settings: Settings) -> None:
    async with running(service, settings.model_copy(update={"metrics_port": 0})) as world:
        base = f"http://127.0.0.1:{world.server.metrics_port}"
        async with world.open(), http_client(base) as prometheus:
            answer = await prometheus.get("/metrics")
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert "whitebg_ws_connections_open 1.0" in answer.text
            assert (await prometheus.get("/api/v2/tasks")).status_code == 404
    async with http_client(base) as prometheus:
        with pytest.raises(httpx.ConnectError):
            await prometheus.get("/metrics")


async def test_a_port_of_the_metrics_that_is_taken_is_named(service: DrivenService, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = make_server(settings.model_copy(update={"metrics_port": port}))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: .*set WHITEBG_METRICS_HOST"):
                await server.serve()


async def test_a_request_counts_by_its_route_never_by_its_path(world: GatewayHarness) -> None:
    for task_id in (1, 2):
        await world.http.get(f"/api/v2/tasks/{task_id}", headers=world.headers())
    await world.http.get("/no/such/path")
    name = "whitebg_http_request_seconds_count"
    route = "/api/v2/tasks/{task_id}"
    assert sample(world, name, route=route, method="GET", status="404") == 2
    assert sample(world, name, route="other", method="GET", status="404") == 1
    assert b"/no/such/path" not in metrics(world).expose()


async def test_a_head_request_counts_by_its_route(world: GatewayHarness) -> None:
    await world.http.head("/api/v2/tasks/1", headers=world.headers())
    name = "whitebg_http_request_seconds_count"
    assert sample(world, name, route="/api/v2/tasks/{task_id}", method="HEAD", status="404") == 1


async def test_sockets_are_counted_from_the_handshake_to_the_close(world: GatewayHarness) -> None:
    async with world.open(), world.open():
        assert sample(world, "whitebg_ws_connections_open") == 2
        assert sample(world, "whitebg_ws_handshakes_total", outcome="accepted") == 2
    await eventually(lambda: sample(world, "whitebg_ws_closes_total", code="1000") == 2)
    await eventually(lambda: sample(world, "whitebg_ws_connections_open") == 0)
    assert sample(world, "whitebg_ws_session_seconds_count") == 2
    async with world.open_raw("?token=bad") as socket:
        await socket.wait_closed()
    await eventually(lambda: sample(world, "whitebg_ws_closes_total", code="4001") == 1)


async def test_a_foreign_page_is_a_refused_handshake(world: GatewayHarness) -> None:
    headers = {
        "Origin": "https://evil.example",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = await world.http.get("/ws/notifications", headers=headers)
    assert answer.status_code == 403
    await eventually(lambda: sample(world, "whitebg_ws_handshakes_total", outcome="refused") == 1)


async def test_the_hub_says_how_far_behind_it_is(world: GatewayHarness) -> None:
    async with world.open() as client:
        await world.service.submit("ann")
        await client.next()
    assert sample(world, "whitebg_hub_lag_seconds_count") == 1
    assert sample(world, "whitebg_hub_lag_seconds_sum") < PATIENCE
    assert sample(world, "whitebg_hub_ring_events") == 1


async def test_a_lost_service_shows(world: GatewayHarness) -> None:
    await world.service.stop()
    await eventually(lambda: sample(world, "whitebg_hub_connected") == 0)
    assert sample(world, "whitebg_hub_breaks_total") == 1


async def test_the_queue_at_a_glance_tells_memory_and_lag(world: GatewayHarness) -> None:
    await world.service.submit("ann")
    async with world.open() as client:
        await world.service.submit("ann")
        await client.next()
        answer = await world.http.get("/admin/queue/stats", headers=world.headers("root", scope="admin"))
    stats = answer.json()
    assert stats["tasks"] == {"pending": 2}
    assert stats["connections"] == 1
    assert stats["resident_bytes"] > 10_000_000
    # The same under the names of the first design.
    assert stats["total_tasks"] == sum(stats["tasks"].values())
    assert stats["active_connections"] == stats["connections"]
    assert stats["memory_usage_mb"] == pytest.approx(stats["resident_bytes"] / 2**20, abs=0.1)
    assert (stats["ready"], stats["not_ready_reasons"], stats["queue_stalled_seconds"]) == (True, [], 0)
    assert stats["breakers"] == []
    assert stats["hub_connected"] is True
    assert 0 <= stats["hub_lag_seconds"] < PATIENCE
    assert stats["hub_ring_events"] == 2


async def test_queue_stats_name_what_tasks_wait_for(world: GatewayHarness) -> None:
    full = Outage(
        reason=WaitReason.STORE_UNAVAILABLE,
        code="images_unavailable",
        message="the bucket is full",
        dependency=BLOBS,
        lasting=True,
    )
    await world.service.running.parts.store.trip(full)
    answer = await world.http.get("/admin/queue/stats", headers=world.headers("root", scope="admin"))
    (breaker,) = answer.json()["breakers"]
    assert (breaker["name"], breaker["state"], breaker["reason"]) == ("blobs", "open", "store_unavailable")
    assert breaker["message"] == "the bucket is full"
    assert breaker["failing_since"] < breaker["open_until"]


async def test_delays_are_told_by_kind(world: GatewayHarness) -> None:
    async with world.open() as client:
        task = await world.service.submit("ann")
        await world.service.work(task.task_id)
        await client.until(lambda m: m["data"]["status"] == "processing")
        await world.service.progress(task.task_id, 10)
        await client.next()
        await world.service.complete(task.task_id)
        await client.until(lambda m: m["type"] == "task_complete")
    name = "whitebg_ws_delivery_seconds_count"
    await eventually(lambda: sample(world, name, kind="terminal") == 1)
    assert sample(world, name, kind="update") == 2
    assert sample(world, name, kind="progress") == 1
    assert sample(world, "whitebg_ws_delivery_seconds_sum", kind="terminal") < PATIENCE
    assert sample(world, "whitebg_ws_terminals_dropped_total") == 0


async def test_a_replay_is_not_a_late_delivery(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    await world.service.cancel(task.task_id)
    await eventually(lambda: sample(world, "whitebg_hub_ring_events") == 2)
    async with world.open(since="e0:0") as client:
        await client.until(lambda m: m["type"] == "task_failed")
        await client.settled()
    assert sample(world, "whitebg_ws_delivery_seconds_count", kind="terminal") == 0


async def test_a_session_is_logged_from_connect_to_disconnect(
    world: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with world.open("ann", user_agent_header="cup/1.0", additional_headers={"X-Request-ID": "r-7"}):
        assert sample(world, "whitebg_ws_opens_total", protocol="base") == 1
    await eventually(lambda: any(record.msg == "websocket_disconnect" for record in caplog.records))
    [connect] = [vars(record) for record in caplog.records if record.msg == "websocket_connect"]
    assert (connect["user_id"], connect["address"], connect["agent"]) == ("ann", "127.0.0.1", "cup/1.0")
    [disconnect] = [vars(record) for record in caplog.records if record.msg == "websocket_disconnect"]
    assert (disconnect["user_id"], disconnect["code"]) == ("ann", 1000)
    assert 0 <= disconnect["seconds"] < PATIENCE


async def test_a_sync_is_told_by_where_it_was_read(world: GatewayHarness) -> None:
    name = "whitebg_ws_syncs_total"
    await world.service.submit("ann")
    await eventually(lambda: sample(world, "whitebg_hub_ring_events") == 1)
    async with world.open(v2=True, since="e0:0") as client:
        await client.until(lambda m: m["type"] == "sync_end")
        assert sample(world, name, mode="replay", reason="", source="memory") == 1
        await client.send(type="sync")
        await client.until(lambda m: m["type"] == "sync_end")
        assert sample(world, name, mode="snapshot", reason="requested", source="service") == 1
    async with world.open(v2=True, since="dead:1") as client:
        await client.until(lambda m: m["type"] == "sync_end")
    assert sample(world, name, mode="snapshot", reason="epoch_changed", source="service") == 1
    answer = await world.http.post("/api/messages/sync", headers=world.headers(), json={"since": "e0:0"})
    assert answer.json()["mode"] == "replay"
    assert sample(world, name, mode="replay", reason="", source="memory") == 2


async def test_somebody_who_begins_now_is_no_sync(world: GatewayHarness) -> None:
    async with world.open():
        assert b"whitebg_ws_syncs_total{" not in metrics(world).expose()
