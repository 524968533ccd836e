"""Sessions revoked at one gateway or service end at all gateways, and their links with them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, GatewayHarness, token_for
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.app import create_app
from ws_gateway.settings import Settings
from ws_gateway.upstream.client import ServiceClient
from ws_gateway.upstream.errors import ServiceError

TASKS = "/api/v2/tasks"


async def revoke(world: GatewayHarness, **which: str) -> httpx.Response:
    return await world.http.post("/admin/sessions/revoke", json=which, headers=world.headers("root", scope="admin"))


async def status(world: GatewayHarness, token: str) -> int:
    return (await world.http.get(TASKS, headers={"Authorization": f"Bearer {token}"})).status_code


async def test_at_every_gateway_and_those_started_later(service: DrivenService, settings: Settings) -> None:
    old = token_for("ann", iat=datetime.now(UTC) - timedelta(seconds=5))
    new = token_for("ann", iat=datetime.now(UTC) + CLOCK_SKEW + timedelta(seconds=10))
    async with running(service, settings) as here, running(service, settings) as there:
        async with here.open("ann") as one, there.open("ann") as two, there.open("bob") as bob:
            answer = await revoke(here, user_id="ann")
            assert (answer.status_code, answer.json()["closed"]) == (200, 1)
            assert [*await asyncio.gather(one.close_code(), two.close_code())] == [4001, 4001]
            await bob.settled()
        async with running(service, settings) as later:
            for world in (here, there, later):
                assert await status(world, old) == 401
                async with world.open_raw(f"?token={old}") as socket:
                    assert await Client(socket).close_code() == 4001
                assert await status(world, new) == 200


async def test_what_was_revoked_while_a_gateway_was_cut_off(
    service: DrivenService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the list before it accepts clients, including revocations that it missed on the stream."""
    token = token_for("ann", jti="s1")
    async with running(service, settings) as world, world.open_raw(f"?token={token}") as socket:
        client = Client(socket)
        await client.settled()
        gateway = world.server.gateway
        listing, go_on = asyncio.Event(), asyncio.Event()
        listed = ServiceClient.list_revocations

        async def held(self: ServiceClient, after: int) -> pb.ListRevocationsResponse:
            listing.set()
            await go_on.wait()
            return await listed(self, after)

        await service.stop()
        monkeypatch.setattr(ServiceClient, "list_revocations", held)
        async with service.unserved():
            await service.revoke("s1")
        await service.start()
        async with asyncio.timeout(PATIENCE):
            await listing.wait()
        assert not gateway.revocations.known
        assert (await world.http.get("/readyz")).status_code == 503
        assert await status(world, token_for("bob")) == 503, "nobody can be checked"
        async with world.open_raw(f"?token={token_for('bob')}") as refused:
            assert await Client(refused).close_code() == 4200, "to come back soon, with the same token"
        go_on.set()
        assert await client.close_code() == 4001
        assert await status(world, token) == 401
        assert await status(world, token_for("bob")) == 200


async def test_a_list_that_can_t_be_read_is_asked_for_again(
    service: DrivenService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, failures = ServiceClient.list_revocations, 3

    async def failing(self: ServiceClient, after: int) -> pb.ListRevocationsResponse:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ServiceError(grpc.StatusCode.UNAVAILABLE, "the database is unavailable")
        return await listed(self, after)

    monkeypatch.setattr(ServiceClient, "list_revocations", failing)
    async with running(service, settings) as world:
        assert failures == -1
        assert await status(world, token_for("ann")) == 200


async def test_tokens_can_be_checked_as_soon_as_a_gateway_listens(
    service: DrivenService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade of a gateway rejects no request: a load balancer that sees the port open sends requests at once."""
    listed, asked, go_on = ServiceClient.list_revocations, asyncio.Event(), asyncio.Event()

    async def late(self: ServiceClient, after: int) -> pb.ListRevocationsResponse:
        asked.set()
        await go_on.wait()
        return await listed(self, after)

    monkeypatch.setattr(ServiceClient, "list_revocations", late)
    app = create_app(settings)
    async with AsyncExitStack() as stack:
        start = asyncio.create_task(stack.enter_async_context(app.router.lifespan_context(app)))
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        assert not start.done()
        go_on.set()
        async with asyncio.timeout(PATIENCE):
            await start
        assert app.state.gateway.revocations.known


async def test_a_gateway_that_starts_before_its_service_listens_once_that_is_there(
    service: DrivenService, settings: Settings
) -> None:
    """With several gateways on one port, any that listens gets requests."""
    await service.stop()
    app = create_app(settings)
    async with AsyncExitStack() as stack:
        start = asyncio.create_task(stack.enter_async_context(app.router.lifespan_context(app)))
        await asyncio.wait([start], timeout=0.5)
        assert not start.done()
        await service.start()
        async with asyncio.timeout(PATIENCE):
            await start
        assert app.state.gateway.revocations.known


async def test_a_service_that_can_t_be_reached_has_ended_nothing(world: GatewayHarness) -> None:
    token = token_for("ann", jti="s1")
    async with world.open_raw(f"?token={token}") as socket:
        client = Client(socket)
        await client.settled()
        await world.service.stop()
        answer = await revoke(world, session_id="s1")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        await client.settled()


async def completed(world: GatewayHarness, token: str) -> dict[str, Any]:
    task = await world.service.submit("ann")
    await world.service.work(task.task_id)
    await world.service.complete(task.task_id)
    answer = await world.http.get(f"{TASKS}/{task.task_id}", headers={"Authorization": f"Bearer {token}"})
    body: dict[str, Any] = answer.json()
    return body


async def test_links_end_with_the_session_that_they_were_given_to(world: GatewayHarness) -> None:
    mine, other = token_for("ann", sid="s1"), token_for("ann", sid="s2")
    links = [(await completed(world, token))["result_image_url"] for token in (mine, other)]
    assert [(await world.http.get(link)).status_code for link in links] == [200, 200]
    assert (await revoke(world, session_id="s1")).status_code == 200
    refused = await world.http.get(links[0])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "session_revoked")
    assert (await world.http.get(links[1])).status_code == 200
    assert (await revoke(world, user_id="ann")).status_code == 200
    assert (await world.http.get(links[1])).status_code == 403


async def test_links_of_the_websocket_and_of_a_sync_are_the_session_s_own(world: GatewayHarness) -> None:
    """The text of a message is one object for all sessions of a user."""
    tokens = [token_for("ann", sid=sid) for sid in ("s1", "s2")]
    async with world.open_raw(f"?token={tokens[0]}") as one, world.open_raw(f"?token={tokens[1]}") as two:
        clients = [Client(one), Client(two)]
        await asyncio.gather(*(client.settled() for client in clients))
        await completed(world, tokens[0])
        ends = [(await client.until(lambda m: m["type"] == "task_complete"))[-1] for client in clients]
    links = [end["data"]["result_image_url"] for end in ends]
    for sid, link in zip(("s1", "s2"), links, strict=True):
        assert f"&sid={sid}&" in link
        assert (await world.http.get(link)).status_code == 200
    synced = await world.http.post(
        "/api/messages/sync", json={"since": ""}, headers={"Authorization": f"Bearer {tokens[1]}"}
    )
    assert synced.json()["messages"][-1]["data"]["result_image_url"] == links[1]


async def test_a_link_lasts_no_longer_than_the_token(world: GatewayHarness) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=5)
    link = (await completed(world, token_for("ann", exp=ends)))["result_image_url"]
    assert f"exp={int(ends.timestamp())}&" in link


async def test_a_guest_s_session_can_be_ended_alone(world: GatewayHarness) -> None:
    guest = (await world.http.post("/api/v2/guest-token")).json()["token"]
    renewed = (await world.http.post("/api/v2/guest-token", headers={"Authorization": f"Bearer {guest}"})).json()[
        "token"
    ]
    traded = (await world.http.post("/api/v2/ws-token", headers={"Authorization": f"Bearer {guest}"})).json()["token"]
    session = world.server.gateway.tokens.verify_api(guest).session_id
    async with world.open_raw(f"?token={traded}") as socket:
        client = Client(socket)
        await client.settled()
        assert (await revoke(world, session_id=session)).json() == {"closed": 1}
        assert await client.close_code() == 4001
    assert [await status(world, token) for token in (guest, renewed)] == [401, 401]
