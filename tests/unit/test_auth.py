"""Tokens of callers are accepted only if signed with our secret and HS256, currently valid, and issued for us."""

from __future__ import annotations

import base64
import json
import time
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.errors import PermissionDenied, SessionRevoked, Unauthenticated
from generator_service.rpc.auth import Authenticator, Caller, Scope
from tests.support.clock import NOON, SettableClock
from whitebg_process.token_lifetime import CLOCK_SKEW, MAX_TOKEN_LIFETIME

SECRET = "only the tests know this secret, which is long enough for HS512, too, to be happy"
authenticator = Authenticator(SECRET, "whitebg")


def token(key: Any = SECRET, algorithm: str | None = "HS256", **changes: Any) -> str:
    """Sign a valid token with some claims changed; None leaves one out."""
    # Signed when tests are collected, long before the last of them runs.
    claims = {"sub": "ann", "aud": "whitebg", "exp": int(time.time()) + 3600, "scope": "tasks"} | changes
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, key, algorithm=algorithm)


def refusal(header: str | None) -> str:
    """Return the reason why a header is rejected."""
    with pytest.raises(Unauthenticated) as refused:
        authenticator.authenticate(header)
    return str(refused.value)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_names_subject_and_scopes(scheme: str) -> None:
    header = f"{scheme} {token(scope='tasks service unknown')}"
    assert authenticator.authenticate(header) == Caller("ann", frozenset({Scope.TASKS, Scope.SERVICE}))


def test_scopes_are_whole_words_and_may_be_missing() -> None:
    assert authenticator.authenticate(f"Bearer {token(scope='taskservice administrators')}").scopes == frozenset()
    assert authenticator.authenticate(f"Bearer {token(scope=None)}").scopes == frozenset()


def test_times_at_the_ends_of_the_calendar_are_read() -> None:
    last, first = 253402300799, -62135596800
    assert authenticator.authenticate(f"Bearer {token(nbf=first, iat=last)}").subject == "ann"
    assert "9999-12-31T23:59:59+00:00, which is too long" in refusal(f"Bearer {token(exp=last, iat=first)}")


DAY = timedelta(days=1)
LONGEST = MAX_TOKEN_LIFETIME


@pytest.mark.parametrize(
    ("times", "accepted"),
    [
        ({"iat": NOON, "exp": NOON + LONGEST}, True),
        ({"iat": NOON, "exp": NOON + LONGEST + DAY}, False),
        ({"exp": NOON + LONGEST}, True),
        ({"exp": NOON + LONGEST + DAY}, False),
        ({"iat": NOON + DAY, "exp": NOON + LONGEST + DAY}, False),
        ({"iat": NOON - LONGEST, "exp": NOON + DAY}, False),
    ],
)
def test_a_token_lives_no_longer_than_the_revocation_of_its_session(times: dict[str, Any], accepted: bool) -> None:
    checking = Authenticator(SECRET, "whitebg", SettableClock())
    with nullcontext() if accepted else pytest.raises(Unauthenticated, match="at most 366 days after its 'iat'"):
        checking.authenticate(f"Bearer {token(**times)}")


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("skew", [-CLOCK_SKEW + SECOND, timedelta(0), CLOCK_SKEW - SECOND, timedelta(hours=1)], ids=str)
def test_a_token_of_a_host_whose_clock_differs_is_accepted(skew: timedelta) -> None:
    """A token just minted on that host, or one just valid there: ``iat`` may be any time in the future."""
    theirs = NOON + skew
    here = Authenticator(SECRET, "whitebg", SettableClock())
    minted = token(iat=theirs, exp=theirs + timedelta(minutes=15), nbf=min(theirs, NOON + CLOCK_SKEW))
    assert here.authenticate(f"Bearer {minted}").subject == "ann"


@pytest.mark.parametrize(
    ("times", "accepted"),
    [
        ({"exp": NOON - CLOCK_SKEW + SECOND}, True),
        ({"exp": NOON - CLOCK_SKEW}, False),
        ({"nbf": NOON + CLOCK_SKEW}, True),
        ({"nbf": NOON + CLOCK_SKEW + SECOND}, False),
    ],
)
def test_expiry_and_beginning_have_a_minute_of_leeway(times: dict[str, Any], accepted: bool) -> None:
    """By the given clock, in whole seconds as in tokens."""
    clock = SettableClock(NOON.replace(microsecond=0))
    times = {name: time.replace(microsecond=0) for name, time in times.items()}
    here = Authenticator(SECRET, "whitebg", clock)
    bearer = f"Bearer {token(**{'exp': NOON + timedelta(hours=1)} | times)}"
    if accepted:
        assert here.authenticate(bearer).subject == "ann"
        return
    with pytest.raises(Unauthenticated, match=r"has expired|not yet valid"):
        here.authenticate(bearer)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (token(exp=int(time.time()) - 61), "has expired"),
        (token(aud="whitebg-ws"), "its audience must be 'whitebg'"),
        (token(aud=None), "audience|aud"),
        (token(exp=None), "exp"),
        (token(sub=None), "sub"),
        (token(sub=""), "1 to 255 characters"),
        (token(sub="a" * 256), "1 to 255 characters"),
        (token(sub="a\0"), "storable"),
        (token(sub="\ud800"), "storable"),
        (token(nbf=int(time.time()) + 3600), "not yet valid"),
        (token(key="somebody else's secret, which is also long enough"), "[Ss]ignature"),
        (token(algorithm="HS512"), "alg"),
        (token(key=None, algorithm="none"), "alg"),
    ],
)
def test_a_bad_token_is_refused_with_the_reason_and_without_the_token(bad: str, why: str) -> None:
    message = refusal(f"Bearer {bad}")
    assert any(part in message for part in why.split("|")) or (why == "[Ss]ignature" and "ignature" in message)
    assert bad not in message
    assert SECRET not in message


def test_a_token_of_a_public_key_algorithm_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "alg" in refusal(f"Bearer {token(key=key, algorithm='RS256')}")


def test_a_header_that_says_none_does_not_unsign_a_token() -> None:
    _, claims, signature = token().split(".")
    for name in ("none", "None", "NONE", "HS512", "RS256"):
        header = base64.urlsafe_b64encode(json.dumps({"alg": name, "typ": "JWT"}).encode()).rstrip(b"=").decode()
        for end in (signature, ""):
            refusal(f"Bearer {header}.{claims}.{end}")


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    """Otherwise a service configured with a public key would accept tokens that anyone signs with it as HS256."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(jwt.InvalidKeyError):
        token(key=pem)
    signing = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    body = token().rsplit(".", 1)[0]
    forged = base64.urlsafe_b64encode(signing.sign(body.encode(), pem.encode())).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated):
        Authenticator(pem, "whitebg").authenticate(f"Bearer {body}.{forged}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", token()])
def test_a_header_without_a_bearer_token_is_refused(header: str | None) -> None:
    assert "authorization" in refusal(header)


@given(st.text(max_size=60) | st.builds("{}.{}.{}".format, *[st.text("abcXYZ019-_=", max_size=30)] * 3))
def test_garbage_is_refused(garbage: str) -> None:
    refusal(f"Bearer {garbage}")


@given(st.data())
def test_a_token_changed_anywhere_is_refused(data: st.DataObject) -> None:
    good = token()
    # The last character carries bits that decoders ignore.
    place = data.draw(st.integers(0, len(good) - 2))
    other = data.draw(st.sampled_from("abcXYZ019-_").filter(lambda char: char != good[place]))
    refusal(f"Bearer {good[:place]}{other}{good[place + 1 :]}")


ANN = Caller("ann", frozenset({Scope.TASKS}))
ADMIN = Caller("eve", frozenset({Scope.ADMIN}))
GATEWAY = Caller("gateway", frozenset({Scope.SERVICE}))


@pytest.mark.parametrize(
    ("caller", "user_id", "acting_for", "owner"),
    [
        (ANN, "", "ann", "ann"),
        (ANN, "ann", "ann", "ann"),
        (GATEWAY, "bob", "bob", "bob"),
        (GATEWAY, "", "gateway", None),
    ],
)
def test_for_whom_a_caller_may_speak(caller: Caller, user_id: str, acting_for: str, owner: str | None) -> None:
    assert caller.acting_for(user_id) == acting_for
    assert caller.owner_filter(user_id) == owner


@pytest.mark.parametrize(("caller", "user_id"), [(ANN, "bob"), (ADMIN, "bob"), (ADMIN, ""), (ADMIN, "eve")])
def test_for_whom_a_caller_may_not_speak(caller: Caller, user_id: str) -> None:
    for ask in (caller.acting_for, caller.owner_filter):
        with pytest.raises(PermissionDenied):
            ask(user_id)


def test_one_of_the_scopes_is_enough() -> None:
    ADMIN.require(Scope.SERVICE, Scope.ADMIN)
    with pytest.raises(PermissionDenied, match="must contain 'service' or 'admin'"):
        ANN.require(Scope.SERVICE, Scope.ADMIN)


def test_a_token_that_was_accepted_before_is_refused_once_it_expires_or_its_session_is_revoked() -> None:
    clock, revoked = SettableClock(), list[bool]()
    here = Authenticator(SECRET, "whitebg", clock, revoked=lambda _: bool(revoked))
    header = f"Bearer {token(exp=int(NOON.timestamp()) + 60, sid='one')}"
    assert here.authenticate(header).subject == "ann"
    assert here.authenticate(header).subject == "ann"
    clock.advance(timedelta(seconds=60) + CLOCK_SKEW)
    with pytest.raises(Unauthenticated, match="has expired"):
        here.authenticate(header)
    later = f"Bearer {token(exp=int(NOON.timestamp()) + 3600, sid='one')}"
    assert here.authenticate(later).subject == "ann"
    revoked.append(True)
    with pytest.raises(SessionRevoked):
        here.authenticate(later)


def test_an_accepted_token_vouches_for_no_other_signature() -> None:
    here = Authenticator(SECRET, "whitebg")
    good = token()
    here.authenticate(f"Bearer {good}")
    forged = good.rpartition(".")[0] + "." + token(key="another secret, which is long enough, too").rpartition(".")[2]
    with pytest.raises(Unauthenticated):
        here.authenticate(f"Bearer {forged}")


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator_service.rpc.auth.MAX_VERIFIED", 2)
    here = Authenticator(SECRET, "whitebg")
    for user in ("ann", "bob", "cat", "ann"):
        assert here.authenticate(f"Bearer {token(sub=user)}").subject == user
    assert len(here._verified) == 2


def test_tokens_of_former_secrets_are_valid_during_a_rotation() -> None:
    former = "the secret before the rotation, which is long enough, too"
    rotating = Authenticator(SECRET, "whitebg", former=[former])
    for secret in (SECRET, former):
        assert rotating.authenticate(f"Bearer {token(secret)}").subject == "ann"
    with pytest.raises(Unauthenticated, match="Signature"):
        rotating.authenticate(f"Bearer {token('a secret that was never in use, and is long enough')}")
    with pytest.raises(Unauthenticated, match="audience"):
        rotating.authenticate(f"Bearer {token(former, aud='another')}")
