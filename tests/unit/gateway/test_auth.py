"""Tokens: only what is signed with our secret and HS256, in time, and for us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ws_gateway.auth import TokenExpired, TokenRejected, Tokens
from ws_gateway.clock import SystemClock

SECRET = "a secret that only the tests share with anyone, long enough for HS512 also"
NOW = datetime(2026, 1, 8, 10, tzinfo=UTC)


class StoppedClock(SystemClock):
    """Always ten o'clock."""

    def now(self) -> datetime:
        return NOW


tokens = Tokens(secret=SECRET, audience="whitebg", clock=StoppedClock())


def claims(**changes: Any) -> dict[str, Any]:
    body = {"sub": "ann", "aud": "whitebg", "exp": NOW + timedelta(seconds=1), "scope": "tasks admin"} | changes
    return {name: value for name, value in body.items() if value is not None}


def encode(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def test_a_good_token_names_user_scopes_and_end() -> None:
    found = tokens.verify_api(encode())
    assert (found.subject, found.expires_at) == ("ann", NOW + timedelta(seconds=1))
    assert found.scopes == {"tasks", "admin"}


def test_a_token_without_scope_is_good_for_tasks() -> None:
    assert tokens.verify_api(encode(scope=None)).scopes == {"tasks"}


def test_an_expired_token_is_told_apart() -> None:
    with pytest.raises(TokenExpired, match="expired at 2026-01-08T10:00:00"):
        tokens.verify_api(encode(exp=NOW))


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "missing"),
        ("nonsense", "can't be used"),
        (encode()[:-3] + "abc", "can't be used"),
        (encode("another secret, of another service, that is long enough"), "can't be used"),
        (jwt.encode(claims(), "", algorithm="none"), "can't be used"),
        (encode(algorithm="HS512"), "can't be used"),
        (encode(rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"), "can't be used"),
        (encode(aud="somebody else"), "aud must be whitebg"),
        (encode(aud="whitebg-ws"), "aud must be whitebg"),
        (encode(aud=None), "can't be used"),
        (encode(exp=None), "can't be used"),
        (encode(sub=None), "can't be used"),
        (encode(sub=""), "sub must be"),
        (encode(sub="x" * 256), "sub must be"),
        (encode(sub="line\nbreak"), "sub must be"),
        (encode(exp=10**30), "can't be used"),
        (encode(scope=["tasks"]), "scope must be"),
        (encode(nbf=datetime(2999, 1, 1, tzinfo=UTC)), "can't be used"),
    ],
)
def test_what_is_refused(token: str, says: str) -> None:
    with pytest.raises(TokenRejected, match=says) as refused:
        tokens.verify_api(token)
    assert not isinstance(refused.value, TokenExpired)
    assert not token or token not in str(refused.value)


def test_a_socket_token_opens_the_socket_and_nothing_else() -> None:
    minted = tokens.mint_socket(tokens.verify_api(encode()), timedelta(days=7))
    assert tokens.verify_socket(minted.token).subject == "ann"
    assert minted.expires_at == NOW + timedelta(days=7)
    with pytest.raises(TokenRejected, match="aud must be whitebg"):
        tokens.verify_api(minted.token)


def test_the_socket_takes_a_session_token_too() -> None:
    assert tokens.verify_socket(encode()).subject == "ann"


def test_guests_are_new_each_time_unless_they_are_known() -> None:
    one, minted = tokens.mint_guest(timedelta(hours=1))
    two, _ = tokens.mint_guest(timedelta(hours=1))
    again, _ = tokens.mint_guest(timedelta(hours=1), one)
    assert one != two
    assert again == one
    assert tokens.verify_api(minted.token).scopes == {"tasks"}


def test_the_gateway_s_own_token_serves_the_service_only() -> None:
    found = tokens.verify_api(tokens.mint_service(timedelta(minutes=15)).token)
    assert found.subject == "gateway"
    assert found.scopes == {"service"}
