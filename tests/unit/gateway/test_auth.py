"""Tokens are accepted only if signed with our secret and HS256, currently valid, and issued for this audience."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from whitebg_process.token_lifetime import CLOCK_SKEW, MAX_TOKEN_LIFETIME
from ws_gateway.auth.image_urls import ImageUrls, Link, LinkRejected
from ws_gateway.auth.jwt import Claims, TokenExpired, TokenRejected, Tokens
from ws_gateway.clock import SystemClock

SECRET = "a secret that only the tests share with anyone, long enough for HS512 also"
NOW = datetime(2026, 1, 8, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class StoppedClock(SystemClock):
    """A clock that always shows ten o'clock."""

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
    with pytest.raises(TokenExpired, match="expired at 2026-01-08T09:59:00"):
        tokens.verify_api(encode(exp=NOW - CLOCK_SKEW))


@pytest.mark.parametrize("skew", [-CLOCK_SKEW + SECOND, CLOCK_SKEW - SECOND, timedelta(hours=1)], ids=str)
def test_a_token_of_a_host_whose_clock_differs_is_accepted(skew: timedelta) -> None:
    theirs = NOW + skew
    assert tokens.verify_api(encode(iat=theirs, exp=theirs + SECOND)).subject == "ann"


@pytest.mark.parametrize(
    ("times", "accepted"),
    [
        ({"exp": NOW - CLOCK_SKEW + SECOND}, True),
        ({"exp": NOW - CLOCK_SKEW}, False),
        ({"nbf": NOW + CLOCK_SKEW}, True),
        ({"nbf": NOW + CLOCK_SKEW + SECOND}, False),
    ],
)
def test_expiry_and_beginning_have_a_minute_of_leeway(times: dict[str, Any], accepted: bool) -> None:
    if accepted:
        assert tokens.verify_api(encode(**times)).expires_at == times.get("exp", NOW + SECOND)
        return
    with pytest.raises(TokenRejected, match=r"expired at|before 2026"):
        tokens.verify_api(encode(**times))


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


def test_times_at_the_ends_of_the_calendar_are_read() -> None:
    last, first = 253402300799, -62135596800
    assert tokens.verify_api(encode(nbf=first, iat=last)).subject == "ann"
    with pytest.raises(TokenRejected, match=r"9999-12-31T23:59:59\+00:00, which is too long"):
        tokens.verify_api(encode(exp=last, iat=first))


@pytest.mark.parametrize(
    ("times", "accepted"),
    [
        ({"iat": NOW, "exp": NOW + MAX_TOKEN_LIFETIME}, True),
        ({"iat": NOW, "exp": NOW + MAX_TOKEN_LIFETIME + SECOND}, False),
        # Issued by a clock that is ahead.
        ({"iat": NOW + MINUTE, "exp": NOW + MINUTE + MAX_TOKEN_LIFETIME}, True),
        ({"iat": NOW + 2 * MINUTE, "exp": NOW + 2 * MINUTE + MAX_TOKEN_LIFETIME}, False),
        ({"exp": NOW + MAX_TOKEN_LIFETIME}, True),
        ({"exp": NOW + MAX_TOKEN_LIFETIME + SECOND}, False),
        ({"iat": NOW - MAX_TOKEN_LIFETIME, "exp": NOW + SECOND}, False),
    ],
)
def test_a_token_lives_no_longer_than_the_revocation_of_its_session(times: dict[str, Any], accepted: bool) -> None:
    with nullcontext() if accepted else pytest.raises(TokenRejected, match="at most 366 days after its iat"):
        tokens.verify_api(encode(**times))


def test_a_socket_token_opens_the_socket_and_nothing_else() -> None:
    minted = tokens.mint_socket(tokens.verify_api(encode()), timedelta(days=7))
    assert tokens.verify_socket(minted.token).subject == "ann"
    assert minted.expires_at == NOW + timedelta(days=7)
    with pytest.raises(TokenRejected, match="aud must be whitebg"):
        tokens.verify_api(minted.token)


@pytest.mark.parametrize("issued_at", [NOW - timedelta(days=1), None])
def test_a_socket_token_was_issued_when_its_session_was(issued_at: datetime | None) -> None:
    minted = tokens.mint_socket(tokens.verify_api(encode(iat=issued_at)), timedelta(days=7))
    assert tokens.verify_socket(minted.token).issued_at == issued_at, "revoked together, by any time"


@pytest.mark.parametrize("session_age", [timedelta(days=365), timedelta(days=366)])
def test_a_socket_token_ends_with_the_last_revocation_of_its_session(session_age: timedelta) -> None:
    """The link of a colleague may be a year old: its socket's token is accepted, and outlives no revocation."""
    began = NOW - session_age
    minted = tokens.mint_socket(tokens.verify_api(encode(iat=began, exp=began + MAX_TOKEN_LIFETIME)), timedelta(days=7))
    assert minted.expires_at == began + MAX_TOKEN_LIFETIME
    assert tokens.verify_socket(minted.token).issued_at == began


def test_a_socket_token_of_an_api_key_ends_with_the_key() -> None:
    key = Claims(subject="ann", scopes=frozenset({"tasks"}), expires_at=NOW + SECOND, ends_session=True)
    assert tokens.mint_socket(key, timedelta(days=7)).expires_at == NOW + SECOND


def test_the_socket_takes_a_session_token_too() -> None:
    assert tokens.verify_socket(encode()).subject == "ann"


def test_guests_are_new_each_time_unless_they_are_known() -> None:
    one, minted = tokens.mint_guest(timedelta(hours=1))
    two, _ = tokens.mint_guest(timedelta(hours=1))
    first = tokens.verify_api(minted.token)
    again, renewed = tokens.mint_guest(timedelta(hours=1), first)
    assert one != two
    assert again == one
    assert first.session_id
    assert tokens.verify_api(renewed.token).session_id == first.session_id, "the session goes on"
    assert tokens.verify_api(minted.token).scopes == {"tasks"}


def test_the_gateway_s_own_token_serves_the_service_only() -> None:
    found = tokens.verify_api(tokens.mint_service(timedelta(minutes=15)).token)
    assert found.subject == "gateway"
    assert found.scopes == {"service"}


def test_tokens_and_links_of_former_secrets_are_valid_during_a_rotation() -> None:
    clock, former = StoppedClock(), "the secret before the rotation, which is long enough, too"
    old, new = (Tokens(secret=secret, audience="whitebg", clock=clock) for secret in (former, SECRET))
    rotating = Tokens(secret=SECRET, audience="whitebg", clock=clock, former=[former])
    for tokens_of in (old, new):
        minted = tokens_of.mint_service(timedelta(minutes=5)).token
        assert rotating.verify_api(minted).subject == "gateway"
    with pytest.raises(TokenRejected):
        old.verify_api(rotating.mint_service(timedelta(minutes=5)).token)

    link = Link(task_id=7, kind="result", user_id="ann", expires=int(clock.now().timestamp()) + 60)
    urls = {"base_url": "", "ttl": timedelta(hours=1), "clock": clock}
    before = ImageUrls(secret=former, **urls)  # type: ignore[arg-type]  # each fits its parameter
    ImageUrls(secret=SECRET, former=[former], **urls).check(link, before.sign(link))  # type: ignore[arg-type]
    with pytest.raises(LinkRejected):
        ImageUrls(secret=SECRET, **urls).check(link, before.sign(link))  # type: ignore[arg-type]
