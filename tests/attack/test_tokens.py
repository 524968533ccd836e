"""Token confusion, at the gateway and at the service: every token here is wrong in one way only."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.gateway.world import SECRET, Client, GatewayHarness, token_for
from tests.support.api import Api, open_channel, refusal

NOW = datetime.now(UTC)
CLAIMS: dict[str, Any] = {"sub": "ann", "aud": "whitebg", "scope": "tasks", "iat": NOW, "exp": NOW + timedelta(days=1)}
RSA = rsa.generate_private_key(65537, 2048)
PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, default=lambda at: int(at.timestamp())).encode()


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(as_json(content)).decode().rstrip("=")


def crafted(header: dict[str, Any], signature: str = "", **changes: Any) -> str:
    """Return a token whose header and signature no library would make."""
    return f"{part(header)}.{part(CLAIMS | changes)}.{signature}"


def signature_of_another() -> str:
    return jwt.encode(CLAIMS | {"sub": "eve"}, SECRET, algorithm="HS256").rpartition(".")[2]


def changed(**changes: Any) -> str:
    kept = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return jwt.encode(kept, SECRET, algorithm="HS256")


WRONG: dict[str, Callable[[], str]] = {
    "alg none": lambda: crafted({"alg": "none", "typ": "JWT"}),
    "alg NoNe": lambda: crafted({"alg": "NoNe", "typ": "JWT"}),
    "alg HS256 without a signature": lambda: crafted({"alg": "HS256", "typ": "JWT"}),
    "the signature of another token": lambda: crafted({"alg": "HS256", "typ": "JWT"}, signature_of_another()),
    "alg a list": lambda: crafted({"alg": ["HS256"], "typ": "JWT"}, signature_of_another()),
    "key confusion: a public key as shared secret": lambda: jwt.api_jws.encode(
        as_json(CLAIMS), base64.b64encode(PUBLIC_PEM), "HS256"
    ),
    "RS256, whose key comes with it": lambda: jwt.encode(
        CLAIMS, RSA, algorithm="RS256", headers={"jwk": {"kty": "RSA"}}
    ),
    "a key id that is a path": lambda: jwt.encode(CLAIMS, "0" * 64, "HS256", headers={"kid": "/dev/null"}),
    "a critical extension": lambda: jwt.encode(CLAIMS, SECRET, algorithm="HS256", headers={"crit": ["exp"], "exp": 1}),
    "the audience of the WebSocket": lambda: changed(aud="whitebg-ws"),
    "the audience of another product": lambda: changed(aud="other"),
    "no audience": lambda: changed(aud=None),
    "no expiry": lambda: changed(exp=None),
    "an expiry that is no number": lambda: changed(exp="tomorrow"),
    "a lifetime of ten years": lambda: changed(exp=NOW + timedelta(days=3650)),
    "a subject that is empty": lambda: changed(sub=""),
    "five parts (JWE)": lambda: f"{changed()}.x.y",
    "a second token after a comma": lambda: f"{changed(aud='other')},{changed()}",
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
async def test_neither_server_accepts_it(world: GatewayHarness, make: Callable[[], str]) -> None:
    """A token that is forged, unsigned, of another audience or without an end: 401, UNAUTHENTICATED, never a fault."""
    bearer = make()
    answer = await world.http.get("/api/v2/tasks", headers={"Authorization": f"Bearer {bearer}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")
    assert bearer not in answer.text
    async with open_channel(world.service.target) as channel:
        refused = await refusal(Api(channel, "ann", bearer).list_tasks())
    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    assert bearer not in refused.message


@pytest.mark.parametrize("scope", ["", "taskservice", "TASKS", "tasks,admin", "openid"])
async def test_a_scope_is_a_whole_word(world: GatewayHarness, scope: str) -> None:
    """A token whose scope only resembles one: 403, PERMISSION_DENIED, and no WebSocket."""
    answer = await world.http.get("/api/v2/tasks", headers=world.headers("ann", scope=scope))
    assert answer.status_code == 403
    async with open_channel(world.service.target) as channel:
        refused = await refusal(Api(channel, "ann", token_for("ann", scope=scope)).list_tasks())
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    async with world.open_raw(f"?token={token_for('ann', scope=scope)}") as socket:
        assert await Client(socket).close_code() == 4001


async def test_a_guest_token_is_renewed_for_guests_only(world: GatewayHarness) -> None:
    """A user's or an administrator's token is traded for a guest's, which would live longer: 403."""
    for bearer in (world.headers("ann"), world.headers("guest-1", scope="tasks admin")):
        assert (await world.http.post("/api/v2/guest-token", headers=bearer)).status_code == 403
