"""The gateway in front of a service process that can be killed, replaced and inspected through its log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.integration.gateway.front import Front, Service, gateway
from tests.integration.gateway.world import Client
from tests.support.api import open_channel, token
from tests.support.patience import PATIENCE
from whitebg.v1 import admin_service_pb2 as admin_pb
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub
from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceStub

ONE_TASK = ["pending", "processing", "completed"]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    service = Service(tmp_path / "data")
    await service.start()
    yield service
    await service.kill()


async def to_the_end_of(client: Client, task_id: int) -> list[dict[str, Any]]:
    """Read until a task has ended; return all state changes that the client has received."""

    def ends(message: dict[str, Any]) -> bool:
        return message.get("task_id") == task_id and message["type"] in {"task_complete", "task_failed"}

    if not any(ends(message) for message in client.messages):
        await client.until(ends)
    return [message for message in client.messages if "task_id" in message and "id" in message]


def statuses(messages: list[dict[str, Any]]) -> list[str]:
    return [message["data"]["status"] for message in messages]


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    return [message["data"]["seq"] for message in messages]


def kinds(messages: list[dict[str, Any]]) -> set[str]:
    return {message["type"] for message in messages}


async def test_the_first_version_s_client_needs_no_subprotocol_no_sync_and_no_ack(front: Front) -> None:
    async with front.client(v2=False) as client:
        task_id = await front.upload()
        messages = await to_the_end_of(client, task_id)
        assert statuses(messages) == ONE_TASK
        assert kinds(client.messages) == {"pong", "task_update", "task_complete"}
        picture = await front.http.get(messages[-1]["data"]["result_image_url"])
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")


async def test_a_killed_service_costs_an_open_socket_nothing(service: Service) -> None:
    async with gateway(service.target) as front, front.client() as client:
        await to_the_end_of(client, await front.upload())
        await service.kill()
        await front.ready(503)
        assert (await front.http.get("/healthz")).status_code == 200
        await client.settled()
        await service.start()
        await front.ready(200)
        messages = await to_the_end_of(client, await front.upload())
        assert seqs(messages) == [1, 2, 3, 4, 5, 6]
        assert "sync_begin" not in kinds(client.messages)


async def test_a_client_resumes_with_another_gateway_where_it_was_with_the_first(front: Front) -> None:
    async with front.client() as client:
        seen = await to_the_end_of(client, await front.upload())
    missed = await front.upload()
    async with front.client(since=seen[-1]["id"]) as client:
        replayed = await to_the_end_of(client, missed)
    async with gateway(front.target, front.user) as another, another.client(since=seen[-1]["id"]) as client:
        again = await to_the_end_of(client, missed)
        begins = [message for message in client.messages if message["type"] == "sync_begin"]
        since = {"since": seen[-1]["id"]}
        answer = (await another.http.post("/api/messages/sync", json=since, headers=front.headers())).json()
    assert [(begin["mode"], begin["reason"]) for begin in begins] == [("replay", None)]
    assert seqs(seen + again) == [1, 2, 3, 4, 5, 6]
    assert [message["id"] for message in again] == [message["id"] for message in replayed]
    assert [message["id"] for message in answer["messages"]] == [message["id"] for message in again]


async def test_a_lost_log_reaches_open_sockets_as_a_snapshot_that_says_so(service: Service) -> None:
    async with gateway(service.target) as front, front.client() as client:
        old = await to_the_end_of(client, await front.upload())
        await service.kill()
        await asyncio.to_thread(shutil.rmtree, service.folder)
        await service.start()
        await client.until(lambda message: message["type"] == "sync_end")
        begin = next(message for message in client.messages if message["type"] == "sync_begin")
        assert (begin["mode"], begin["reason"]) == ("snapshot", "epoch_changed")
        client.messages.clear()
        assert seqs(await to_the_end_of(client, await front.upload())) == [1, 2, 3]
        async with front.client(since=old[-1]["id"]) as late:
            await late.until(lambda message: message["type"] == "sync_end")
            begin = next(message for message in late.messages if message["type"] == "sync_begin")
            assert (begin["mode"], begin["reason"]) == ("snapshot", "epoch_changed")


async def test_a_request_s_id_leads_from_the_browser_to_the_worker(service: Service) -> None:
    async with gateway(service.target) as front, front.client() as client:
        task_id = await front.upload(**{"X-Request-ID": "browser-7"})
        await to_the_end_of(client, task_id)
    # The client may receive the event before the log does.
    await service.says('"new": "completed"')
    await service.kill()
    (submitted,) = service.logged("task_submitted")
    assert (submitted["request_id"], submitted["task_id"]) == ("browser-7", task_id)
    changes = [line for line in service.logged("task_status_change") if line["task_id"] == task_id]
    assert [(line["old"], line["new"]) for line in changes] == [
        (None, "pending"),
        ("pending", "processing"),
        ("processing", "completed"),
    ]
    assert all(line["elapsed_ms"] >= 0 for line in changes[1:])
    assert token("ann").split(".")[0] not in service.output, "a token is in the log"


async def test_the_queue_at_a_glance_is_the_service_s_own(service: Service) -> None:
    async with gateway(service.target) as front, front.client() as client:
        await to_the_end_of(client, await front.upload())
        admin = {"Authorization": f"Bearer {token('root', scope='admin')}"}
        answer = await front.http.get("/admin/queue/stats", headers=admin)
        assert answer.status_code == 200, answer.text
        assert answer.json()["head_revision"] == 3
        assert (await front.http.get("/admin/queue/stats", headers=front.headers())).status_code == 403


async def test_api_key_outlives_the_sessions_of_its_user(front: Front) -> None:
    """Over HTTP, in the sockets that it opened, and in its links to images."""
    async with open_channel(front.target) as channel:
        operator = AdminServiceStub(channel)
        metadata = (("authorization", f"Bearer {token('ops', scope='admin')}"),)
        made = await operator.CreateApiKey(
            admin_pb.CreateApiKeyRequest(name="shop", user_id=front.user, scopes=["tasks"]), metadata=metadata
        )
        key = {"Authorization": f"Bearer {made.key}"}
        socket_token = (await front.http.post("/api/v2/ws-token", headers=key)).json()["token"]
        async with connect(f"ws://{front.base}/ws/notifications?token={socket_token}", compression=None) as socket:
            client = Client(socket)
            task_id = await front.upload(**key)
            link = (await client.until(lambda each: each["type"] == "task_complete"))[-1]["data"]["result_image_url"]
            async with front.client() as browser:
                body = {"user_id": front.user}
                admin = {"Authorization": f"Bearer {token('ops', scope='tasks admin')}"}
                ended = await front.http.post("/admin/sessions/revoke", json=body, headers=admin)
                assert ended.status_code == 200
                assert await browser.close_code() == 4001
            assert (await front.http.get("/api/v2/tasks", headers=front.headers())).status_code == 401
            listed = await front.http.get("/api/v2/tasks", headers=key)
            assert [task["task_id"] for task in listed.json()["tasks"]] == [task_id]
            assert (await front.http.get(link)).status_code == 200
            await client.settled()


async def test_api_key_is_accepted_over_http_until_it_is_revoked(front: Front) -> None:
    async with open_channel(front.target) as channel:
        operator = AdminServiceStub(channel)
        metadata = (("authorization", f"Bearer {token('ops', scope='admin')}"),)
        wanted = admin_pb.CreateApiKeyRequest(name="shop", user_id=front.user, scopes=["tasks"])
        made = await operator.CreateApiKey(wanted, metadata=metadata)
        key = {"Authorization": f"Bearer {made.key}"}
        task_id = await front.upload(**key)
        listed = await front.http.get("/api/generation/tasks", headers=front.headers())
        assert [task["task_id"] for task in listed.json()["tasks"]] == [task_id]
        assert (await front.http.get("/admin/queue/stats", headers=key)).status_code == 403
        wrong = {"Authorization": f"Bearer {made.key[:-3]}abc"}
        assert (await front.http.get("/api/generation/tasks", headers=wrong)).status_code == 401
        socket_token = (await front.http.post("/api/v2/ws-token", headers=key)).json()
        await operator.RevokeApiKey(admin_pb.RevokeApiKeyRequest(key_id=made.api_key.key_id), metadata=metadata)
        listing = pb.ListRevocationsRequest()
        as_gateway = (("authorization", f"Bearer {token('gateway', scope='service')}"),)
        listed_now = await GeneratorServiceStub(channel).ListRevocations(listing, metadata=as_gateway)
        assert listed_now.revocations[-1].expires_at.ToJsonString() > socket_token["expires_at"]
        async with asyncio.timeout(PATIENCE):
            # Well before the gateway would have asked again: the revocation comes with the stream of events.
            while (await front.http.get("/api/generation/tasks", headers=key)).status_code != 401:
                continue
