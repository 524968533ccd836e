"""The issuer's metadata (OpenID Connect Discovery), fetched when needed and held for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from ws_gateway.auth.jwks import KeySet
from ws_gateway.auth.oidc.config import check_address
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem
from ws_gateway.clock import Clock

log = logging.getLogger(__name__)

PATH = "/.well-known/openid-configuration"
LIFETIME_S = 3600.0
COOLDOWN_S = 5.0
"""Least seconds between two fetches, so that visitors of an unreachable issuer's login cause no load."""

Fetch = Callable[[str], Awaitable[httpx2.Response]]


class Metadata(BaseModel):
    """The part of the metadata that a sign-in needs."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = False

    @field_validator(
        "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"
    )
    @classmethod
    def _secure(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else check_address(value, str(info.field_name))


def parse_metadata(document: bytes, issuer: str) -> Metadata:
    """Read the metadata of ``issuer``. Pure.

    Raises:
        SignInFailed: a required field is missing or wrong, or they are another issuer's.

    """
    try:
        metadata = Metadata.model_validate_json(document)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise _unusable(issuer, problems) from None
    if metadata.issuer != issuer:
        raise _unusable(
            issuer, f"its issuer is {metadata.issuer!r}; set WHITEBG_OIDC_ISSUER to exactly that if it is yours"
        )
    if "S256" not in metadata.code_challenge_methods_supported:
        raise _unusable(issuer, "it does not offer PKCE with S256")
    return metadata


class Discovery:
    """The issuer's metadata and keys.

    Fetched again after an hour. While the issuer is unreachable, the last metadata stay valid.
    """

    def __init__(self, issuer: str, fetch: Fetch, clock: Clock) -> None:
        """``fetch`` requests an address; its `SignInFailed` is passed on."""
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._metadata: Metadata | None = None
        self._keys: tuple[str, KeySet] | None = None
        self._failure = SignInFailed(SignInProblem.ISSUER_UNREACHABLE, f"{issuer} was not asked yet")
        self._stale_at = self._may_fetch_at = clock.monotonic()
        self._lock = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Return the metadata.

        Raises:
            SignInFailed: the issuer is unreachable or unusable, and always was.

        """
        async with self._lock:
            now = self._clock.monotonic()
            if now >= max(self._stale_at, self._may_fetch_at):
                await self._refresh()
        if self._metadata is None:
            raise self._failure
        return self._metadata

    async def keys(self) -> KeySet:
        """Return the keys that the issuer signs with.

        Raises:
            SignInFailed: the issuer is unreachable or unusable, and always was.

        """
        url = (await self.metadata()).jwks_uri
        if self._keys is None or self._keys[0] != url:
            self._keys = url, KeySet(url, clock=self._clock)
        return self._keys[1]

    async def _refresh(self) -> None:
        try:
            response = await self._fetch(self._issuer.rstrip("/") + PATH)
            if response.status_code != httpx2.codes.OK:
                raise _unusable(self._issuer, f"{PATH} answered {response.status_code}")
            self._metadata = parse_metadata(response.content, self._issuer)
        except SignInFailed as error:
            log.warning("could not read the issuer's metadata: %s", error)
            self._failure = SignInFailed(error.problem, str(error))
        else:
            self._stale_at = self._clock.monotonic() + LIFETIME_S
        self._may_fetch_at = self._clock.monotonic() + COOLDOWN_S


def _unusable(issuer: str, reason: str) -> SignInFailed:
    return SignInFailed(SignInProblem.ISSUER_ERROR, f"the metadata of {issuer} can't be used: {reason}")
