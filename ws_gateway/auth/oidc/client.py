"""The OpenID Connect client: from an authorization request to a verified identity."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from ws_gateway.auth.bounded_answers import bounded
from ws_gateway.auth.jwks import KeyMissing, KeysUnavailable
from ws_gateway.auth.oidc.config import OidcConfig
from ws_gateway.auth.oidc.discovery import Discovery, Metadata
from ws_gateway.auth.oidc.flow import Answer, PendingSignIn
from ws_gateway.auth.oidc.id_token import key_id_of, verify_id_token
from ws_gateway.auth.oidc.identity import Identity, identify
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem
from ws_gateway.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""Longest time for one request to the issuer, whatever it sends in the meantime."""
_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
_REFUSALS = {
    "access_denied": SignInProblem.CONSENT_REFUSED,
    "invalid_client": SignInProblem.MISCONFIGURED,
    "invalid_request": SignInProblem.MISCONFIGURED,
    "invalid_scope": SignInProblem.MISCONFIGURED,
    "unauthorized_client": SignInProblem.MISCONFIGURED,
    "unsupported_response_type": SignInProblem.MISCONFIGURED,
    "server_error": SignInProblem.ISSUER_UNREACHABLE,
    "temporarily_unavailable": SignInProblem.ISSUER_UNREACHABLE,
}


class OidcClient:
    """Talks to one issuer. Its tokens live as long as one call of `finish`, and are neither stored nor logged."""

    def __init__(self, config: OidcConfig, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._discovery = Discovery(config.issuer, self._get, clock)

    async def authorization_url(self, pending: PendingSignIn, *, again: bool = False) -> str:
        """Return the address at which the person signs in; ``again``: with credentials, not by the issuer's session.

        Raises:
            SignInFailed: the issuer is unreachable or unusable.

        """
        metadata = await self._discovery.metadata()
        prompt = {"prompt": "login"} if again else {}
        async with self._oauth(metadata) as oauth:
            url, _ = oauth.create_authorization_url(
                metadata.authorization_endpoint,
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
                **prompt,
            )
        return str(url)

    async def finish(self, pending: PendingSignIn, answer: Answer) -> Identity:
        """Trade the code of the issuer's answer for the verified identity of the person.

        Raises:
            SignInFailed: it was refused, the answer is another issuer's, or an issuer's token can't be used.

        """
        metadata = await self._discovery.metadata()
        self._check_issuer(metadata, answer)
        if answer.error or not answer.code:
            raise _refused(answer.error or "the issuer sent neither a code nor an error", "authorization")
        tokens = await self._exchange(metadata, answer.code, pending.verifier)
        access_token = tokens.get("access_token")
        claims = await self._verified(tokens.get("id_token"), pending.nonce, access_token)
        return identify(await self._with_user_info(metadata, claims, access_token), self.config.rules)

    async def logout_url(self) -> str | None:
        """Return where the issuer's own session is ended; None if the issuer offers no such page, or is unreachable.

        The client id stands in for the ID token, which is not stored: the issuer may ask the person to confirm.
        """
        try:
            endpoint = (await self._discovery.metadata()).end_session_endpoint
        except SignInFailed as error:
            log.warning("signing out without the issuer: %s", error)
            return None
        if endpoint is None:
            return None
        query = urlencode({"client_id": self.config.client_id, "post_logout_redirect_uri": self.config.page_url})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def _check_issuer(self, metadata: Metadata, answer: Answer) -> None:
        """Reject the answer of another issuer (mix-up, RFC 9207)."""
        if answer.issuer is None and not metadata.authorization_response_iss_parameter_supported:
            return
        if answer.issuer != metadata.issuer:
            message = f"the answer's iss is {str(answer.issuer)[:200]!r}, not {metadata.issuer!r}"
            raise SignInFailed(SignInProblem.ISSUER_ERROR, message)

    async def _exchange(self, metadata: Metadata, code: str, verifier: str) -> Mapping[str, Any]:
        async with self._oauth(metadata) as oauth:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    tokens: Mapping[str, Any] = await oauth.fetch_token(
                        metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
                    )
            except OAuthError as error:
                raise _refused(str(error.error), "token") from None
            except (httpx2.HTTPError, TimeoutError) as error:
                raise self._unreachable(metadata.token_endpoint, error) from None
            except (ValueError, TypeError, OverflowError, RecursionError):  # authlib checks no value's type
                message = f"{metadata.token_endpoint} sent no token response"
                raise SignInFailed(SignInProblem.ISSUER_ERROR, message) from None
        return tokens

    async def _verified(self, id_token: object, nonce: str, access_token: str | None) -> dict[str, Any]:
        if not isinstance(id_token, str):
            message = "the issuer sent no ID token; WHITEBG_OIDC_SCOPES must contain openid"
            raise SignInFailed(SignInProblem.MISCONFIGURED, message)
        keys = await self._discovery.keys()
        try:
            key = await keys.find(key_id_of(id_token))
        except KeyMissing as error:
            raise SignInFailed(SignInProblem.ISSUER_ERROR, f"the ID token can't be verified: {error}") from None
        except KeysUnavailable as error:
            raise SignInFailed(SignInProblem.ISSUER_UNREACHABLE, str(error)) from None
        return verify_id_token(
            id_token,
            key,
            issuer=self.config.issuer,
            client_id=self.config.client_id,
            nonce=nonce,
            access_token=access_token,
            now=self._clock.now(),
        )

    async def _with_user_info(
        self, metadata: Metadata, claims: dict[str, Any], access_token: str | None
    ) -> dict[str, Any]:
        """Add the claims that many issuers send by the userinfo endpoint only; those of the ID token win.

        A name is for display only: its absence ends no sign-in.

        Raises:
            SignInFailed: the endpoint fails, and the access rules need its claims.

        """
        rules, endpoint = self.config.rules.claims, metadata.userinfo_endpoint
        if {"name"} | rules <= claims.keys() or endpoint is None or access_token is None:
            return claims
        try:
            return await self._user_info(endpoint, str(claims["sub"]), access_token) | claims
        except SignInFailed as error:
            if not rules <= claims.keys():
                raise
            log.warning("signing in without a display name: %s", error)
            return claims

    async def _user_info(self, endpoint: str, subject: str, access_token: str) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint.

        Raises:
            SignInFailed: it did not answer in time, or without claims of this person.

        """
        response = await self._get(endpoint, {"Authorization": f"Bearer {access_token}"})
        try:
            found = response.json() if response.status_code == httpx2.codes.OK else None
        except ValueError:
            found = None
        # Core, section 5.3.2: the subject must be compared, or the claims may be another person's.
        if not isinstance(found, dict) or found.get("sub") != subject:
            message = f"{endpoint} answered {response.status_code} without claims of this person"
            raise SignInFailed(SignInProblem.ISSUER_ERROR, message)
        return found

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Request an address of the issuer.

        Raises:
            SignInFailed: it did not answer in time, or too much.

        """
        async with httpx2.AsyncClient(verify=self._tls, timeout=TIMEOUT_S, **bounded()) as http:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    return await http.get(url, headers=dict(headers or {}))
            except (httpx2.HTTPError, TimeoutError) as error:
                raise self._unreachable(url, error) from None

    def _oauth(self, metadata: Metadata) -> AsyncOAuth2Client:
        offered = metadata.token_endpoint_auth_methods_supported
        method = next((each for each in _AUTH_METHODS if each in offered), _AUTH_METHODS[0])
        return AsyncOAuth2Client(
            client_id=self.config.client_id,
            client_secret=self.config.client_secret or None,
            token_endpoint_auth_method=method if self.config.client_secret else "none",
            scope=" ".join(self.config.scopes),
            redirect_uri=self.config.redirect_uri,
            code_challenge_method="S256",
            verify=self._tls,
            timeout=TIMEOUT_S,
            **bounded(),
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Loaded once: that takes longer than most requests."""
        return httpx2.create_ssl_context()

    def _unreachable(self, url: str, error: Exception) -> SignInFailed:
        reason = str(error) or f"no answer within {TIMEOUT_S:.0f} s"
        return SignInFailed(SignInProblem.ISSUER_UNREACHABLE, f"{url} is unreachable: {reason}")


def _refused(error: str, endpoint: str) -> SignInFailed:
    problem = _REFUSALS.get(error, SignInProblem.ISSUER_ERROR)
    return SignInFailed(problem, f"the {endpoint} endpoint of the issuer answered with the error {error[:100]!r}")
