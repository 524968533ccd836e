"""The pure parts of sign-in at an OpenID Connect issuer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from whitebg_process.token_lifetime import CLOCK_SKEW
from whitebg_process.user_ids import GUEST_PREFIX
from ws_gateway.auth.oidc.discovery import parse_metadata
from ws_gateway.auth.oidc.flow import LIFETIME, FlowCookies, begin, cookie_name, safe_return_path
from ws_gateway.auth.oidc.id_token import key_id_of, verify_id_token
from ws_gateway.auth.oidc.identity import AccessRules, identify, user_id_of
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem
from ws_gateway.settings import Settings

SECRET = "a secret that only the tests share with anyone"
NOW = datetime(2026, 1, 8, 10, tzinfo=UTC)
ISSUER = "https://id.example.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key: rsa.RSAPrivateKey) -> jwt.PyJWK:
    document = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return jwt.PyJWK(document | {"kid": "k1", "alg": "RS256"})


def id_token(key: Any = KEY, algorithm: str = "RS256", **changes: Any) -> str:
    body = {
        "iss": ISSUER,
        "sub": "ann",
        "aud": "whitebg",
        "nonce": "n1",
        "iat": NOW,
        "exp": NOW + timedelta(hours=1),
    } | changes
    given = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": "k1"})


def verify(token: str, now: datetime = NOW) -> dict[str, Any]:
    return verify_id_token(
        token, public(KEY), issuer=ISSUER, client_id="whitebg", nonce="n1", access_token="a1", now=now
    )


def problem_of(error: pytest.ExceptionInfo[SignInFailed]) -> SignInProblem:
    return error.value.problem


def test_a_good_id_token_gives_its_claims() -> None:
    assert key_id_of(id_token()) == "k1"
    assert verify(id_token())["sub"] == "ann"
    assert verify(id_token(aud=["whitebg", "another"], azp="whitebg"))["sub"] == "ann"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"key": OTHER_KEY}, id="signature"),
        pytest.param({"iss": "https://evil.example.com"}, id="issuer"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"aud": "another"}, id="audience"),
        pytest.param({"aud": ["whitebg", "another"], "azp": "another"}, id="authorized party"),
        pytest.param({"aud": ["whitebg", "another"]}, id="no authorized party"),
        pytest.param({"nonce": "n2"}, id="nonce"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"exp": None}, id="no expiry"),
        pytest.param({"iat": None}, id="no time of issue"),
        pytest.param({"at_hash": "bm90IGl0cyBoYXNo"}, id="hash of another access token"),
    ],
)
def test_a_wrong_id_token_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(SignInFailed) as error:
        verify(id_token(**changes))
    assert problem_of(error) is SignInProblem.ISSUER_ERROR


def test_an_id_token_without_an_allowed_signature_is_rejected() -> None:
    unsigned = id_token(None, "none")
    shared = id_token("x" * 64, "HS256")
    for token in (unsigned, shared, "no token"):
        for check in (key_id_of, verify):
            with pytest.raises(SignInFailed) as error:
                check(token)
            assert problem_of(error) is SignInProblem.ISSUER_ERROR


def test_times_of_an_id_token_have_a_leeway_and_beyond_it_the_clock_is_named() -> None:
    second = timedelta(seconds=1)
    for now in (NOW - CLOCK_SKEW, NOW + timedelta(hours=1) + CLOCK_SKEW - second):
        assert verify(id_token(), now)
    for now in (NOW - CLOCK_SKEW - second, NOW + timedelta(hours=1) + CLOCK_SKEW):
        with pytest.raises(SignInFailed) as error:
            verify(id_token(), now)
        assert problem_of(error) is SignInProblem.CLOCK
    with pytest.raises(SignInFailed) as error:
        verify(id_token(nbf=NOW + timedelta(hours=1)))
    assert problem_of(error) is SignInProblem.CLOCK


def test_user_ids_are_stable_distinct_and_of_no_guest() -> None:
    assert user_id_of(ISSUER, "ann") == user_id_of(ISSUER, "ann")
    ids = {
        user_id_of(*each) for each in ((ISSUER, "ann"), (ISSUER, "Ann"), (f"{ISSUER}/", "ann"), (f"{ISSUER}a", "nn"))
    }
    assert len(ids) == 4
    assert all(each.startswith("oidc-") and not each.startswith(GUEST_PREFIX) for each in ids)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_subject_gives_a_user_id_that_the_service_takes(issuer: str, subject: str) -> None:
    user_id = user_id_of(issuer, subject)
    assert user_id.isascii()
    assert len(user_id) == 37


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ann Lee", "email": "ann@example.com"}, "Ann Lee"),
        ({"name": " \n", "preferred_username": "ann"}, "ann"),
        ({"name": ["Ann"], "email": "ann@example.com"}, "ann@example.com"),
        ({"name": "李\u202e安\x07"}, "李安"),
        ({"name": "n" * 101}, "n" * 100),
        ({}, ""),
    ],
)
def test_the_display_name_is_printable_and_short(claims: dict[str, Any], name: str) -> None:
    assert identify({"iss": ISSUER, "sub": "ann"} | claims, AccessRules()).name == name


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ({"email": "ann@example.com", "email_verified": True}, True),
        ({"email": "ann@Example.COM", "email_verified": True}, True),
        ({"email": "ann@example.com", "email_verified": "true"}, False),
        ({"email": "ann@example.com"}, False),
        ({"email": "ann@a.example.com", "email_verified": True}, False),
        ({"email": "example.com@evil.test", "email_verified": True}, False),
        ({"email_verified": True}, False),
    ],
)
def test_domains_apply_to_verified_addresses_only(claims: dict[str, Any], allowed: bool) -> None:
    rules = AccessRules(email_domains=frozenset({"example.com"}))
    if allowed:
        assert identify({"iss": ISSUER, "sub": "ann"} | claims, rules).user_id
    else:
        with pytest.raises(SignInFailed) as error:
            identify({"iss": ISSUER, "sub": "ann"} | claims, rules)
        assert problem_of(error) is SignInProblem.NOT_ALLOWED


@pytest.mark.parametrize(
    ("claims", "is_admin"),
    [
        ({"groups": ["staff", "admins"]}, True),
        ({"groups": "admins"}, True),
        ({"groups": "staff admins"}, False),
        ({"groups": ["Admins"]}, False),
        ({"groups": None}, False),
        ({}, False),
    ],
)
def test_an_administrator_has_exactly_the_value(claims: dict[str, Any], is_admin: bool) -> None:
    rules = AccessRules(admin_claim="groups", admin_value="admins")
    person = {"iss": ISSUER, "sub": "ann"} | claims
    assert identify(person, rules).is_admin is is_admin
    assert not identify(person, AccessRules()).is_admin


@pytest.mark.parametrize("path", ["/", "/?photo=3&a=%2F%2Fb", "/admin", "/a/b-c_~.html"])
def test_a_path_of_the_page_is_returned_to(path: str) -> None:
    assert safe_return_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//evil.test",
        "/\\evil.test",
        "/a\\b",
        "https://evil.test",
        "javascript:alert(1)",
        "evil.test",
        "/\t/evil.test",
        "/ /evil.test",
        "/\r\nSet-Cookie: a=b",
        "/#token=x",
        "/auth/login",
        "/é",
        "/" + "a" * 500,
    ],
)
def test_anything_else_is_not(path: str) -> None:
    assert safe_return_path(path) == "/"


def test_a_cookie_belongs_to_its_sign_in_and_to_a_secret() -> None:
    pending = begin("/?a=1")
    cookies = FlowCookies(SECRET)
    value = cookies.seal(pending, NOW)
    assert cookies.open(value, pending.state, NOW) == pending
    assert FlowCookies("another secret of the tests, as long", (SECRET,)).open(value, pending.state, NOW) == pending
    end = NOW + LIFETIME + CLOCK_SKEW
    assert cookies.open(value, pending.state, end - timedelta(seconds=1)) == pending
    for others, value_given, state, now in (
        (FlowCookies("another secret of the tests, as long"), value, pending.state, NOW),
        (cookies, value, begin("/").state, NOW),
        (cookies, value[:-2], pending.state, NOW),
        (cookies, None, pending.state, NOW),
        (cookies, jwt.encode({"sub": pending.state, "aud": "whitebg", "exp": end}, SECRET), pending.state, NOW),
        (cookies, value, pending.state, end),
    ):
        with pytest.raises(SignInFailed) as error:
            others.open(value_given, state, now)
        assert problem_of(error) is SignInProblem.INTERRUPTED


def test_each_sign_in_has_values_and_a_cookie_of_its_own() -> None:
    one, two = begin("/"), begin("/")
    assert len({one.state, one.nonce, one.verifier, two.state, two.nonce, two.verifier}) == 6
    assert cookie_name(one.state, secure=True) != cookie_name(two.state, secure=True)
    assert cookie_name(one.state, secure=True).startswith("__Host-")


METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}


def test_metadata_are_read_with_the_defaults_of_the_specification() -> None:
    found = parse_metadata(json.dumps(METADATA).encode(), ISSUER)
    assert found.token_endpoint_auth_methods_supported == ("client_secret_basic",)
    assert found.end_session_endpoint is None


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example.com"},
        {"issuer": f"{ISSUER}/"},
        {"token_endpoint": "http://id.example.com/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
def test_metadata_that_cannot_be_trusted_are_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(SignInFailed) as error:
        parse_metadata(json.dumps(METADATA | changes).encode(), ISSUER)
    assert problem_of(error) is SignInProblem.ISSUER_ERROR


def settings(**others: Any) -> Settings:
    wanted = {"oidc_issuer": ISSUER, "oidc_client_id": "whitebg", "public_url": "https://whitebg.example.com/"}
    return Settings(jwt_secret=SecretStr(SECRET), **(wanted | others))


def test_settings_have_safe_defaults() -> None:
    assert Settings(jwt_secret=SecretStr(SECRET)).oidc is None
    found = settings(oidc_email_domains="Example.com, @example.org", oidc_scopes="openid,email groups").oidc
    assert found is not None
    assert found.redirect_uri == "https://whitebg.example.com/auth/callback"
    assert found.page_url == "https://whitebg.example.com/"
    assert (found.issuer_name, found.secure) == ("id.example.com", True)
    assert found.scopes == ("openid", "email", "groups")
    assert found.rules == AccessRules(email_domains=frozenset({"example.com", "example.org"}))


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({"oidc_client_id": ""}, "WHITEBG_OIDC_CLIENT_ID"),
        ({"oidc_issuer": ""}, "WHITEBG_OIDC_ISSUER"),
        ({"oidc_issuer": "http://id.example.com"}, "https://"),
        ({"public_url": ""}, "WHITEBG_PUBLIC_URL"),
        ({"public_url": "http://whitebg.example.com"}, "https://"),
        ({"oidc_redirect_uri": "https://whitebg.example.com/"}, "/auth/callback"),
        ({"oidc_scopes": "email"}, "openid"),
        ({"oidc_admin_claim": "groups"}, "groups=whitebg-admins"),
        ({"oidc_email_domains": ","}, "oidc_email_domains"),
        ({"oidc_session_ttl": "31d"}, "30 days"),
    ],
)
def test_settings_that_cannot_work_are_rejected_with_a_remedy(others: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError) as error:
        settings(**others)
    assert named in str(error.value)
