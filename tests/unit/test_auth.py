"""Tokens of callers: only what is signed with our secret and HS256, in time, and for us."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from generator_service.auth import Authenticator, Caller, Scope
from generator_service.domain.errors import PermissionDenied, Unauthenticated

SECRET = "only the tests know this secret, which is long enough for HS512, too, to be happy"
authenticator = Authenticator(SECRET, "whitebg")


def token(key: Any = SECRET, algorithm: str | None = "HS256", **changes: Any) -> str:
    """Sign a good token with some claims changed; None leaves one out."""
    # Made when tests are collected, long before the last of them runs.
    claims = {"sub": "ann", "aud": "whitebg", "exp": int(time.time()) + 3600, "scope": "tasks"} | changes
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, key, algorithm=algorithm)


def refusal(header: str | None) -> str:
    """Return why a header is refused."""
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


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (token(exp=int(time.time()) - 1), "has expired"),
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
    """A service set up with a public key would otherwise take what anybody signs with it as HS256."""
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
    # The last character carries bits that no decoder looks at.
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
