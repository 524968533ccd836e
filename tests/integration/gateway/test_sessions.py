"""The life of a session: first frame, renewal, expiry, revocation and key rotation."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import SECRET, Client, GatewayHarness, token_for
from tests.support.clock import SkewedClock
from tests.support.driven_service import DrivenService
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.limits.connections.contract import ConnectionSlot
from ws_gateway.protocol.session import SessionLimits
from ws_gateway.settings import Settings

V2 = [Subprotocol("whitebg.v2")]
SILENCE = timedelta(seconds=SessionLimits().heartbeat_timeout - 15)
"""A little less than the time that a client may be silent."""


def ends_in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


class TestFirstFrame:
    """A token in a frame is in no URL."""

    async def test_it_opens_the_session(self, world: GatewayHarness) -> None:
        async with world.open_raw("") as socket:
            client = Client(socket)
            await client.send(type="auth", token=token_for("ann"))
            await client.settled()
            await world.service.submit("ann")
            assert (await client.next())["id"] == "e0:1"

    @pytest.mark.parametrize(
        ("frame", "code"),
        [
            ({"type": "ping"}, 4001),
            ({"type": "auth", "token": "nonsense"}, 4001),
            ({"type": "auth", "token": ""}, 4001),
            ({"type": "auth"}, 4004),
            ({"type": "auth", "token": token_for("ann", exp=datetime(2020, 1, 1, tzinfo=UTC))}, 4010),
        ],
    )
    async def test_anything_else_does_not(self, world: GatewayHarness, frame: dict[str, str], code: int) -> None:
        async with world.open_raw("") as socket:
            client = Client(socket)
            await client.send(**frame)
            assert await client.close_code() == code

    async def test_silence_ends_it(self, service: DrivenService, settings: Settings) -> None:
        impatient = settings.model_copy(update={"auth_timeout": timedelta(seconds=0.1)})
        async with running(service, impatient) as world, world.open_raw("") as socket:
            assert await Client(socket).close_code() == 4001


class TestRenewal:
    """A token that expires can be replaced while the socket is open."""

    async def test_a_new_token_of_the_same_user_keeps_the_socket(
        self, world: GatewayHarness, clock: SkewedClock
    ) -> None:
        query = f"?token={token_for('ann', exp=ends_in(100))}"
        async with (
            world.open_raw(query, subprotocols=V2) as socket,
            world.open_raw(query, subprotocols=V2) as not_renewed,
        ):
            client, other = Client(socket), Client(not_renewed)
            await client.settled()
            await other.settled()
            clock.advance(timedelta(seconds=50))
            await client.send(type="ping")
            told = (await client.until(lambda m: m["type"] == "token_expiring"))[-1]
            assert 0 < told["expires_in_seconds"] <= 50
            await client.send(type="auth", token=token_for("ann"))
            for _ in range(2):  # The first pong may be that of the ping before the token.
                await client.settled()
            await other.settled()
            # In steps: a client that is silent for longer is disconnected as soon as the gateway checks its clock.
            clock.advance(SILENCE)
            await client.settled()
            await other.settled()
            clock.advance(timedelta(seconds=51) + CLOCK_SKEW - SILENCE)
            await client.settled()
            assert socket.close_code is None
            with suppress(ConnectionClosed):  # The gateway may have checked its clock already.
                await other.send(type="ping")
            assert await other.close_code() == 4010

    @pytest.mark.parametrize(
        ("token", "code"),
        [
            (token_for("bob"), 4001),
            ("nonsense", 4001),
            (token_for("ann", exp=datetime(2020, 1, 1, tzinfo=UTC)), 4010),
        ],
    )
    async def test_any_other_token_ends_it(self, world: GatewayHarness, token: str, code: int) -> None:
        async with world.open() as client:
            await client.send(type="auth", token=token)
            assert await client.close_code() == code


class TestRevocation:
    """A session can be ended before its token expires."""

    async def revoke(self, world: GatewayHarness, **which: str) -> int:
        answer = await world.http.post(
            "/admin/sessions/revoke", json=which, headers=world.headers("root", scope="admin")
        )
        assert answer.status_code == 200, answer.text
        closed: int = answer.json()["closed"]
        return closed

    async def test_by_user(self, world: GatewayHarness) -> None:
        issued = datetime.now(UTC) - timedelta(seconds=5)
        old = token_for("ann", iat=issued)
        async with world.open("ann") as one, world.open("ann") as two, world.open("bob") as bob:
            assert await self.revoke(world, user_id="ann") == 2
            assert [await one.close_code(), await two.close_code()] == [4001, 4001]
            await bob.settled()
        async with world.open_raw(f"?token={old}") as socket:
            assert await Client(socket).close_code() == 4001
        refused = await world.http.get("/api/v2/tasks", headers={"Authorization": f"Bearer {old}"})
        assert refused.status_code == 401
        fresh = token_for("ann", iat=datetime.now(UTC) + CLOCK_SKEW + timedelta(seconds=1))
        async with world.open_raw(f"?token={fresh}") as socket:
            await Client(socket).settled()

    async def test_by_token_with_those_traded_for_it(self, world: GatewayHarness) -> None:
        session = token_for("ann", jti="s1")
        traded = await world.http.post("/api/v2/ws-token", headers={"Authorization": f"Bearer {session}"})
        async with world.open("ann") as other, world.open_raw(f"?token={traded.json()['token']}") as socket:
            client = Client(socket)
            await client.settled()
            assert await self.revoke(world, token_id="s1") == 1
            assert await client.close_code() == 4001
            await other.settled()

    async def test_while_a_socket_is_let_in(self, world: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between the check of its token and its registration, the session is in no list."""
        places = world.server.gateway.places
        take, asked, go_on = places.take, asyncio.Event(), asyncio.Event()

        async def take_slowly(user_id: str) -> ConnectionSlot | None:
            asked.set()
            await go_on.wait()
            return await take(user_id)

        monkeypatch.setattr(places, "take", take_slowly)
        async with world.open_raw(f"?token={token_for('ann')}") as socket:
            await asked.wait()
            assert await self.revoke(world, user_id="ann") == 0
            go_on.set()
            assert await Client(socket).close_code() == 4001

    async def test_by_admins_only_and_one_at_a_time(self, world: GatewayHarness) -> None:
        path = "/admin/sessions/revoke"
        assert (await world.http.post(path, json={"user_id": "bob"}, headers=world.headers())).status_code == 403
        admin = world.headers("root", scope="admin")
        for body in ({}, {"user_id": "ann", "token_id": "s1"}):
            assert (await world.http.post(path, json=body, headers=admin)).status_code == 422


@pytest.mark.parametrize("origin", ["tauri://localhost", "null", "https://app.example"])
async def test_origins_are_an_exact_list(service: DrivenService, settings: Settings, origin: str) -> None:
    for allowed in (True, False):
        origins = (origin,) if allowed else ("https://other.example", "https://app.example:8443")
        async with running(service, settings.model_copy(update={"allowed_origins": origins})) as world:
            if allowed:
                async with world.open(origin=origin):
                    continue
            with pytest.raises(InvalidStatus) as refused:
                async with world.open(origin=origin):
                    pass
            assert refused.value.response.status_code == 403


ISSUER = "https://login.example/"
COOLDOWN = timedelta(seconds=5)


class Provider:
    """An identity provider with its keys behind a URL."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetches = 0
        self.away = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                body = orjson.dumps({"keys": [provider.public(key_id) for key_id in provider.keys]})
                self.send_response(503 if provider.away else 200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def public(self, key_id: str) -> dict[str, Any]:
        key = self.keys[key_id].public_key()
        to_jwk = RSAAlgorithm.to_jwk if isinstance(key, rsa.RSAPublicKey) else ECAlgorithm.to_jwk
        return to_jwk(key, as_dict=True) | {"kid": key_id, "use": "sig"}

    def token(
        self, key_id: str, algorithm: str, key: Any = None, *, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        body = {"iss": ISSUER, "sub": "ann", "aud": "whitebg", "exp": ends_in(600), "scope": "tasks"} | claims
        body = {name: value for name, value in body.items() if value is not None}
        headers = {"kid": key_id, "typ": "at+jwt"} | (header or {})
        return jwt.encode(body, key or self.keys[key_id], algorithm=algorithm, headers=headers)


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    provider.keys["one"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    thread = threading.Thread(target=provider.server.serve_forever)
    thread.start()
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


def trusting(settings: Settings, provider: Provider, **changes: Any) -> Settings:
    return settings.model_copy(update={"jwks_url": provider.url, "jwt_issuer": ISSUER} | changes)


class TestIdentityProvider:
    """Tokens signed by an identity provider with rotating keys."""

    async def status(self, world: GatewayHarness, token: str) -> int:
        answer = await world.http.get("/api/v2/tasks", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    async def test_keys_rotate_and_made_up_ones_cost_the_provider_nothing(
        self, service: DrivenService, settings: Settings, provider: Provider, clock: SkewedClock
    ) -> None:
        async with running(service, trusting(settings, provider), clock) as world:
            first = provider.token("one", "RS256")
            assert await self.status(world, first) == 200
            assert await self.status(world, token_for("ann")) == 200, "tokens of the own secret stay good"
            provider.keys = {"two": ec.generate_private_key(ec.SECP256R1())}
            second = provider.token("two", "ES256")
            clock.advance(COOLDOWN)
            assert await self.status(world, second) == 200
            assert await self.status(world, first) == 401, "its key is gone"
            async with world.open_raw(f"?token={second}") as socket:
                await Client(socket).settled()
            clock.advance(COOLDOWN)
            fetches, began = provider.fetches, time.monotonic()
            forged = [provider.token(f"made up {n}", "ES256", provider.keys["two"]) for n in range(50)]
            assert {await self.status(world, token) for token in forged} == {401}
            assert provider.fetches - fetches <= 1 + (time.monotonic() - began) // COOLDOWN.total_seconds()

    async def test_algorithms_are_pinned(self, service: DrivenService, settings: Settings, provider: Provider) -> None:
        async with running(service, trusting(settings, provider)) as world:
            assert await self.status(world, provider.token("one", "PS256")) == 401
            assert await self.status(world, provider.token("one", "HS256", "x" * 32)) == 401
            other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            assert await self.status(world, provider.token("one", "RS256", other)) == 401
            assert (
                await self.status(world, provider.token("one", "ES256", ec.generate_private_key(ec.SECP256R1()))) == 401
            )

    async def test_while_the_provider_is_away_nobody_is_told_to_stop(
        self, service: DrivenService, settings: Settings, provider: Provider
    ) -> None:
        provider.away = True
        async with running(service, trusting(settings, provider)) as world:
            token = provider.token("one", "RS256")
            assert await self.status(world, token) == 503
            async with world.open_raw(f"?token={token}") as socket:
                assert await Client(socket).close_code() == 4200

    @pytest.mark.parametrize(
        ("how", "status"),
        [
            ({}, 200),
            ({"header": {"typ": "JWT"}}, 200),
            ({"header": {"typ": "application/at+jwt"}}, 200),
            ({"scope": "openid tasks"}, 200),
            ({"iss": "https://login.example"}, 401),
            ({"iss": None}, 401),
            ({"header": {"typ": "logout+jwt"}}, 401),
            ({"header": {"typ": None}}, 401),
            ({"sub": "guest-0123456789abcdef"}, 401),
            ({"scope": None}, 403),
            ({"scope": "openid profile"}, 403),
            ({"aud": "another application"}, 401),
        ],
    )
    async def test_its_tokens_are_held_to_issuer_type_and_scope(
        self, service: DrivenService, settings: Settings, provider: Provider, how: dict[str, Any], status: int
    ) -> None:
        async with running(service, trusting(settings, provider)) as world:
            token = provider.token("one", "RS256", **how)
            assert await self.status(world, token) == status
            async with world.open_raw(f"?token={token}") as socket:
                client = Client(socket)
                if status == 200:
                    await client.settled()
                else:
                    assert await client.close_code() == 4001

    @pytest.mark.parametrize("granted", [False, True])
    async def test_administrators_come_from_it_only_where_that_is_enabled(
        self, service: DrivenService, settings: Settings, provider: Provider, granted: bool
    ) -> None:
        async with running(service, trusting(settings, provider, jwks_admin=granted)) as world:
            token = provider.token("one", "RS256", scope="tasks admin service")
            answer = await world.http.get("/admin/queue/stats", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == (200 if granted else 403)
            own = await world.http.get("/admin/queue/stats", headers=world.headers("root", scope="admin"))
            assert own.status_code == 200
            assert "service" not in (await world.server.gateway.authority.api(token)).scopes

    async def test_a_traded_token_ends_with_its_session(
        self, service: DrivenService, settings: Settings, provider: Provider
    ) -> None:
        async with running(service, trusting(settings, provider)) as world:
            ends = ends_in(600).replace(microsecond=0)
            for token, until in (
                (provider.token("one", "RS256", exp=ends, sid="s1"), ends),
                (token_for("ann", exp=ends), None),  # A session of our own ends a week after the exchange.
            ):
                traded = await world.http.post("/api/v2/ws-token", headers={"Authorization": f"Bearer {token}"})
                latest = until or ends_in(7 * 24 * 3600)
                claims = world.server.gateway.tokens.verify_socket(traded.json()["token"])
                assert abs(claims.expires_at - latest) < timedelta(seconds=30)
                assert claims.expires_at <= latest
            assert await TestRevocation().revoke(world, session_id="s1") == 0
            assert await self.status(world, provider.token("one", "RS256", sid="s1")) == 401


@pytest.mark.parametrize("names", [("jwks_url",), ("jwt_issuer",)])
def test_key_set_and_issuer_go_together(names: tuple[str, ...]) -> None:
    values: dict[str, Any] = {"jwt_secret": SECRET} | dict.fromkeys(names, "https://login.example/")
    with pytest.raises(ValidationError, match="WHITEBG_JWT_ISSUER is"):
        Settings(**values)
    Settings(**values | {"jwks_url": "https://login.example/keys", "jwt_issuer": "https://login.example/"})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        *(({"jwks_url": url}, "jwks_url") for url in ("keys", "https://", "file:///keys", "ftp://login.example/keys")),
        ({"jwks_url": "http://login.example/keys"}, "others on the way could replace the keys"),
        ({"jwks_algorithms": ""}, "jwks_algorithms"),
        ({"jwks_algorithms": "HS256"}, "jwks_algorithms"),
    ],
)
def test_key_sets_that_cannot_work_are_rejected(changes: dict[str, str], named: str) -> None:
    values: dict[str, Any] = {"jwt_secret": SECRET, "jwt_issuer": ISSUER, "jwks_url": "https://login.example/keys"}
    with pytest.raises(ValidationError, match=named):
        Settings(**values | changes)
