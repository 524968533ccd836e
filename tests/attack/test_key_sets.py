"""A key set's server (`WHITEBG_JWKS_URL`) that is slow, broken or hostile, under a real gateway."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.clock import SkewedClock
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE, eventually
from ws_gateway.auth.bounded_answers import MAX_BYTES
from ws_gateway.settings import Settings

ISSUER = "https://login.example/"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
JWK = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
COOLDOWN = timedelta(seconds=5)
LIFETIME = timedelta(seconds=300)


def answer(body: bytes, *head: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *head, "Connection: close", "", ""]).encode() + body


def keys(*entries: object) -> bytes:
    return answer(orjson.dumps({"keys": entries}))


GOOD = keys(JWK | {"kid": "one", "use": "sig"})


@dataclass
class KeyServer:
    """Answers each request with ``reply``; then, if it ``drips``, with one more byte at a time, without an end."""

    reply: bytes = GOOD
    drips: bool = False
    requests: int = 0
    open: int = 0
    """Requests that are not answered completely."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.reply)
            while self.drips:
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.write(b" ")
            await writer.drain()
        except ConnectionError:
            pass  # The gateway has closed the connection, which the tests wait for.
        finally:
            self.open -= 1
            writer.close()


@pytest.fixture
async def key_server() -> AsyncIterator[tuple[KeyServer, str]]:
    keys = KeyServer()
    server = await asyncio.start_server(keys.serve, "127.0.0.1", 0)
    yield keys, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    keys.drips = False
    server.close()


@asynccontextmanager
async def trusting(
    service: DrivenService, settings: Settings, clock: SkewedClock, url: str
) -> AsyncIterator[GatewayHarness]:
    changed = settings.model_copy(update={"jwks_url": url, "jwt_issuer": ISSUER})
    async with running(service, changed, clock) as world:
        yield world


def signed(claims: dict[str, Any], key: Any = KEY, *, key_id: str = "one", algorithm: str = "RS256") -> str:
    """Sign claims of any type."""
    body = {"iss": ISSUER, "sub": "ann", "aud": "whitebg", "scope": "tasks", "exp": time.time() + 86400} | claims
    header = {"kid": key_id, "typ": "at+jwt"}
    return jwt.api_jws.encode(json.dumps(body).encode(), key, algorithm, headers=header)


def token(key_id: str = "one", **claims: Any) -> str:
    return signed(claims, key_id=key_id)


async def status(world: GatewayHarness, bearer: str) -> int:
    async with asyncio.timeout(PATIENCE):
        reply = await world.http.get("/api/v2/tasks", headers={"Authorization": f"Bearer {bearer}"})
    return reply.status_code


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"\x00\xff\r\n\r\n",
    "an error": answer(b"{}", status="500 Oops"),
    "a redirect to good keys": answer(b"", "Location: /keys", status="302 Found"),
    "a page": answer(b"<html>"),
    "half a body": answer(b'{"keys": [', "Content-Length: 5000"),
    "a compressed body": answer(b"\x1f\x8b\x08", "Content-Encoding: gzip"),
    "deep nesting": answer(b"[" * 100_000),
    "a huge number": answer(b'{"keys": [' + b"9" * 10_000 + b"]}"),
    "more than is read": answer(b'{"keys": [], "x": "' + b"x" * MAX_BYTES + b'"}'),
    "no object": answer(b"[]"),
    "keys that are no list": answer(b'{"keys": 5}'),
    "a key id that is a list": keys(JWK | {"kid": ["one"]}),
    "a key id that is a number": keys(JWK | {"kid": 1}),
    "an algorithm that is a list": keys(JWK | {"kid": "one", "alg": ["RS256"]}),
    "no keys": keys(),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_costs_no_known_key(
    service: DrivenService,
    settings: Settings,
    clock: SkewedClock,
    key_server: tuple[KeyServer, str],
    reply: bytes,
) -> None:
    """The server breaks when the keys are due again: known keys stay good; an unknown one may be new."""
    server, url = key_server
    async with trusting(service, settings, clock, url) as world:
        assert await status(world, token()) == 200
        clock.stop()
        clock.advance(LIFETIME)
        server.reply = reply
        assert [await status(world, token()) for _ in range(5)] == [200] * 5
        await eventually(lambda: server.requests == 2 and not server.open)
        assert [await status(world, token("made up")) for _ in range(5)] == [503] * 5
        assert server.requests == 2, "a broken answer was no reason to wait"
        server.reply = GOOD
        clock.advance(COOLDOWN)
        assert await status(world, token("made up")) == 401
        assert (server.requests, await status(world, token())) == (3, 200)


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_before_any_key_is_an_outage(
    service: DrivenService, settings: Settings, clock: SkewedClock, key_server: tuple[KeyServer, str], reply: bytes
) -> None:
    """The server is broken from the start: 503, so that no client signs out, and never a fault of the gateway."""
    server, url = key_server
    server.reply = reply
    async with trusting(service, settings, clock, url) as world:
        clock.stop()
        assert [await status(world, token()) for _ in range(3)] == [503] * 3
        assert server.requests == 1


async def test_an_odd_key_costs_no_other(
    service: DrivenService, settings: Settings, clock: SkewedClock, key_server: tuple[KeyServer, str]
) -> None:
    """The set has entries that can't be read beside a good one: that one is used."""
    server, url = key_server
    odd = [5, [], {}, {"kid": ["one"]}, {"kid": 1}, {"alg": ["RS256"]}, {"alg": "ES256"}, {"n": None}, {"use": {}}]
    entries = [JWK | {"kid": "odd"} | each if isinstance(each, dict) else each for each in odd]
    server.reply = keys(*entries, JWK | {"kid": "one"}, {"kty": "oct", "k": "AAAA", "kid": "shared"})
    async with trusting(service, settings, clock, url) as world:
        assert await status(world, token()) == 200
        shared = signed({}, "AAAA" * 20, key_id="shared", algorithm="HS256")
        assert await status(world, shared) == 401


@pytest.mark.parametrize("reply", [b"HTTP/1.1 200 OK\r\nX: ", answer(b'{"keys": [')], ids=["head", "body"])
async def test_an_answer_without_an_end_delays_no_known_key(
    service: DrivenService, settings: Settings, clock: SkewedClock, key_server: tuple[KeyServer, str], reply: bytes
) -> None:
    """The server sends a byte now and then, forever: known keys do not wait, and the request ends."""
    server, url = key_server
    async with trusting(service, settings, clock, url) as world:
        assert await status(world, token()) == 200
        clock.advance(LIFETIME)
        server.reply, server.drips = reply, True
        assert await status(world, token()) == 200
        await eventually(lambda: server.requests == 2)
        assert await status(world, token()) == 200
        assert server.open == 1, "the keys were not being fetched meanwhile"
        assert await status(world, token("made up")) == 503
        await eventually(lambda: not server.open)


async def test_a_client_that_leaves_begins_no_second_fetch(
    service: DrivenService, settings: Settings, clock: SkewedClock, key_server: tuple[KeyServer, str]
) -> None:
    """Sockets with made-up key ids are closed while the server is slow: it gets one request."""
    server, url = key_server
    impatient = settings.model_copy(update={"auth_timeout": timedelta(seconds=0.2)})
    async with trusting(service, impatient, clock, url) as world:
        server.reply, server.drips = b"", True
        for number in range(5):
            async with world.open_raw("") as socket:
                await socket.send(orjson.dumps({"type": "auth", "token": token(f"made up {number}")}).decode())
                await asyncio.wait_for(socket.wait_closed(), PATIENCE)
        assert server.requests == 1


HOSTILE: dict[str, Callable[[], str]] = {
    "the public key as shared secret": lambda: signed(
        {"exp": time.time() + 60}, base64.b64encode(PUBLIC_PEM), algorithm="HS256"
    ),
    "an endless time": lambda: token(exp=float("inf")),
    "no number": lambda: token(exp=float("nan")),
    "a time beyond the calendar": lambda: token(exp=10**300),
    "a time before the calendar": lambda: token(exp=-(10**300)),
    "not yet": lambda: token(nbf=time.time() + 3600),
    "a beginning that is a list": lambda: token(nbf=[1]),
    "a subject with a line break": lambda: token(sub="ann\nbob"),
    "a subject with a NUL": lambda: token(sub="ann\0"),
    "a subject of half a character": lambda: token(sub="\ud800"),
    "a subject that turns the text around": lambda: token(sub="ann\u202e"),
    "a subject that is too long": lambda: token(sub="a" * 256),
    "an issuer that is a list": lambda: signed({"iss": [ISSUER]}),
    "an audience that is a number": lambda: signed({"aud": 5}),
    "a scope that is a list": lambda: token(scope=["tasks", "admin"]),
    "the session of an API key, which outlives those of its user": lambda: token(sid="key:0123456789abcdef"),
    "a key id of 40 kB": lambda: token("k" * 40_000),
    "a key id with a line break": lambda: token("one\r\nX: y"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_claims_of_a_genuine_key_are_refused(
    service: DrivenService,
    settings: Settings,
    clock: SkewedClock,
    key_server: tuple[KeyServer, str],
    make: Callable[[], str],
) -> None:
    """The provider signs claims that are odd in one way: 401 and 4001, never a fault."""
    _, url = key_server
    async with trusting(service, settings, clock, url) as world:
        bearer = make()
        assert await status(world, bearer) == 401
        async with world.open_raw("") as socket:
            await socket.send(orjson.dumps({"type": "auth", "token": bearer}).decode())
            await asyncio.wait_for(socket.wait_closed(), PATIENCE)
            assert socket.close_code == 4001
