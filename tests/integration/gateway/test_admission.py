"""Admission of WebSocket connections, and the close codes of rejected ones."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.world import SECRET, Client, GatewayHarness, token_for
from whitebg_process.token_lifetime import CLOCK_SKEW

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("", 4001, "missing"),
        ("?token=", 4001, "missing"),
        ("?token=nonsense", 4001, "can't be used"),
        (f"?token={token_for('ann', exp=PAST)}", 4010, "expired"),
        (f"?token={token_for('ann', aud='other')}", 4001, "aud must be"),
        (f"?token={token_for('ann', scope='admin')}", 4001, "scope 'tasks'"),
        (f"?token={jwt.encode({'sub': 'ann', 'aud': 'whitebg', 'exp': 9e9}, '', algorithm='none')}", 4001, "can't be"),
        (f"?token={jwt.encode({'sub': 'ann', 'aud': 'whitebg'}, SECRET)}", 4001, "exp"),
        (f"?token={token_for('ann')}&since=yesterday", 4004, "neither a cursor"),
    ],
)
async def test_a_refused_client_can_read_why(world: GatewayHarness, query: str, code: int, says: str) -> None:
    async with world.open_raw(query) as socket:
        await socket.wait_closed()
        assert socket.close_code == code
        assert says in (socket.close_reason or "")


async def test_the_socket_token_opens_the_socket_but_not_the_api(world: GatewayHarness) -> None:
    answer = await world.http.post("/api/v2/ws-token", headers=world.headers())
    token = answer.json()["token"]
    ends = datetime.fromisoformat(answer.json()["expires_at"])
    assert timedelta(days=6.9) < ends - datetime.now(UTC) <= timedelta(days=7)
    async with world.open_raw(f"?token={token}") as socket:
        client = Client(socket)
        await client.settled()
        await world.service.submit("ann")
        assert (await client.next())["id"] == "e0:1"
    for path in ("/api/v2/ws-token", "/api/messages/sync"):
        refused = await world.http.post(path, headers={"Authorization": f"Bearer {token}"}, json={})
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_socket_closes_when_its_token_expires(world: GatewayHarness) -> None:
    token = token_for("ann", exp=datetime.now(UTC) - CLOCK_SKEW + timedelta(seconds=1.2))
    async with world.open_raw(f"?token={token}") as socket:
        assert await Client(socket).close_code() == 4010


@pytest.mark.parametrize("frame", ["not json", '{"type":"shout"}', b"\x00", '"' + "x" * 70_000 + '"'])
async def test_a_frame_that_is_not_of_the_protocol_closes_with_4004(world: GatewayHarness, frame: str | bytes) -> None:
    async with world.open() as client:
        await client.socket.send(frame)
        assert await client.close_code() == 4004


async def test_text_that_is_not_utf8_closes_with_1007(world: GatewayHarness, caplog: pytest.LogCaptureFixture) -> None:
    async with world.open() as client:
        client.socket.transport.write(b"\x81\x82\0\0\0\0\xff\xfe")
        assert await client.close_code() == 1007
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("size", [9_000, 60_000])
async def test_a_handshake_that_is_too_long_is_answered(world: GatewayHarness, size: int) -> None:
    with pytest.raises(InvalidStatus) as rejected:
        async with world.open_raw(f"?token={'a' * size}"):
            pass
    assert rejected.value.response.status_code == 414


async def test_a_page_of_this_host_or_none_may_connect_and_a_foreign_one_may_not(
    world: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.open(origin=f"http://{world.base}"):
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with world.open(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with world.open():  # By now, the end of the rejected one is in the log.
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_v2_is_agreed_on_and_greets(world: GatewayHarness) -> None:
    async with world.open(v2=True) as client:
        assert client.socket.subprotocol == "whitebg.v2"
        assert await client.next() == {"type": "hello", "protocol": "whitebg.v2", "user_id": "ann"}


class TestGuests:
    """Guest tokens for clients on this machine only."""

    async def test_a_guest_can_use_everything(self, world: GatewayHarness) -> None:
        guest = (await world.http.post("/api/v2/guest-token")).json()
        headers = {"Authorization": f"Bearer {guest['token']}"}
        assert (await world.http.get("/api/v2/tasks", headers=headers)).json()["total"] == 0
        again = (await world.http.post("/api/v2/guest-token", headers=headers)).json()
        assert again["user_id"] == guest["user_id"]
        assert (await world.http.post("/api/v2/guest-token")).json()["user_id"] != guest["user_id"]

    @pytest.mark.parametrize(
        "headers",
        [{"Host": "evil.example"}, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}],
    )
    async def test_not_by_another_name_nor_through_a_proxy(
        self, world: GatewayHarness, headers: dict[str, str]
    ) -> None:
        assert (await world.http.post("/api/v2/guest-token", headers=headers)).status_code == 404

    async def test_not_from_another_address(self, world: GatewayHarness) -> None:
        transport = httpx.ASGITransport(world.server.config.loaded_app, client=("203.0.113.9", 1234))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{world.base}") as far:
            assert (await far.post("/api/v2/guest-token")).status_code == 404
        transport = httpx.ASGITransport(world.server.config.loaded_app, client=("127.0.0.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{world.base}") as near:
            assert (await near.post("/api/v2/guest-token")).status_code == 200

    async def test_a_user_s_token_is_not_a_guest_s(self, world: GatewayHarness) -> None:
        assert (await world.http.post("/api/v2/guest-token", headers=world.headers())).status_code == 403
