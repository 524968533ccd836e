"""An issuer of sign-ins that answers with anything, asked by the real client over real connections."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from ws_gateway.auth.bounded_answers import MAX_BYTES
from ws_gateway.auth.oidc.client import OidcClient
from ws_gateway.auth.oidc.config import OidcConfig
from ws_gateway.auth.oidc.flow import Answer, begin
from ws_gateway.auth.oidc.identity import AccessRules, Identity
from ws_gateway.auth.oidc.problems import SignInFailed
from ws_gateway.clock import SystemClock

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWK = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "one"}
PENDING = begin("/")


class Issuer:
    """Answers each path with bytes, as JSON."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: dict[str, bytes] = {}
        self.encodings: dict[str, str] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(f"Content-Encoding: {self.encodings.get(path, 'identity')}\r\n\r\n".encode())
        writer.write(self.bodies[path])
        await writer.drain()
        writer.close()

    def id_token(self, **claims: Any) -> str:
        body = {"iss": self.url, "sub": "1", "aud": "whitebg", "nonce": PENDING.nonce, "name": "Ann"}
        times = {"iat": time.time(), "exp": time.time() + 600}
        return jwt.api_jws.encode(json.dumps(body | times | claims).encode(), KEY, "RS256", headers={"kid": "one"})

    async def finish(self) -> Identity:
        config = OidcConfig(
            issuer=self.url,
            issuer_name="issuer",
            client_id="whitebg",
            client_secret="secret",
            scopes=("openid",),
            redirect_uri=f"{self.url}/auth/callback",
            session_ttl=timedelta(hours=1),
            rules=AccessRules(),
        )
        return await OidcClient(config, SystemClock()).finish(PENDING, Answer(code="code"))


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with await asyncio.start_server(issuer.serve, "127.0.0.1", 0) as server:
        issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        endpoints = {"authorization_endpoint": "/a", "token_endpoint": "/token", "jwks_uri": "/keys"}
        metadata = {"issuer": issuer.url} | {name: issuer.url + path for name, path in endpoints.items()}
        issuer.bodies = {
            "/.well-known/openid-configuration": json.dumps(metadata).encode(),
            "/keys": json.dumps({"keys": [JWK]}).encode(),
            "/token": json.dumps(
                {"access_token": "a", "token_type": "Bearer", "id_token": issuer.id_token(), "expires_in": 60}
            ).encode(),
        }
        yield issuer


async def test_a_good_answer_signs_in(issuer: Issuer) -> None:
    assert (await issuer.finish()).name == "Ann"


ENDLESS = b" " * (MAX_BYTES + 1)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_that_is_too_long_is_not_read(issuer: Issuer, path: str, *, compressed: bool) -> None:
    """Its blank end would not disturb a parser that reads all of it."""
    body = issuer.bodies[path] + ENDLESS
    issuer.bodies[path] = gzip.compress(body) if compressed else body
    issuer.encodings[path] = "gzip" if compressed else "identity"
    with pytest.raises(SignInFailed):
        await issuer.finish()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"5", b"null", b"\xff{", b'{"error": ["x"]}', b'{"access_token": 5, "id_token": 5}'),
        pytest.param(b"[" * 100_000, id="deep"),
        *(b'{"expires_in": 1e400}', b'{"expires_in": "x"}', b'{"expires_at": []}'),
    ],
)
async def test_any_token_response_ends_the_sign_in_only(issuer: Issuer, body: bytes) -> None:
    """The token endpoint sends nonsense: the sign-in fails with a reason, never with a fault of the gateway."""
    issuer.bodies["/token"] = body
    with pytest.raises(SignInFailed):
        await issuer.finish()


@pytest.mark.parametrize(
    "claims",
    [
        *({"exp": float("inf")}, {"exp": float("nan")}, {"exp": [1]}, {"iat": "x"}, {"nbf": {}}),
        *(
            pytest.param({"nonce": [PENDING.nonce]}, id="nonce"),  # Its value differs between the workers.
            {"sub": 1},
            {"sub": None},
            {"aud": [["whitebg"]]},
            {"iss": {}},
            {"azp": ["other"]},
        ),
        *({"at_hash": ["x"]}, {"at_hash": "\ud800"}, {"at_hash": 5}),
    ],
    ids=str,
)
async def test_any_id_token_ends_the_sign_in_only(issuer: Issuer, claims: dict[str, Any]) -> None:
    """The issuer signs an ID token with odd claims: the sign-in fails with a reason."""
    response = {"access_token": "a", "token_type": "Bearer", "id_token": issuer.id_token(**claims)}
    issuer.bodies["/token"] = json.dumps(response).encode()
    with pytest.raises(SignInFailed):
        await issuer.finish()
