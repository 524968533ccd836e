"""Authentication: tokens signed with the own secret or by an identity provider, unless revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jwt

from ws_gateway.auth.api_key_cache import PREFIX, ApiKeyCache
from ws_gateway.auth.jwks import KeyMissing, KeySet
from ws_gateway.auth.jwt import Claims, ProviderKey, Scope, TokenExpired, TokenRejected, Tokens, TokenUncheckable
from ws_gateway.auth.revocations import Revocations, RevocationsUnknown
from ws_gateway.protocol.close_codes import Close, CloseCode

_WAIT_S = 1.0
"""How long a token waits for the revocations to be read: a stream that is opened again has them in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An identity provider."""

    keys: KeySet
    algorithms: Sequence[str]
    issuer: str
    """The ``iss`` of its tokens."""
    grants_admin: bool = False
    """Whether its tokens may hold the scope ``admin``."""


class Authenticator:
    """Checks tokens.

    With a ``provider``, tokens signed with one of its algorithms are checked against its keys; those of the own secret,
    such as WebSocket tokens made here, stay good. An algorithm never chooses another's key. API keys are for the HTTP
    API; a WebSocket takes a token that was requested with one.
    """

    def __init__(
        self,
        *,
        tokens: Tokens,
        revocations: Revocations,
        provider: Provider | None = None,
        api_keys: ApiKeyCache | None = None,
    ) -> None:
        self._api_keys = api_keys
        self._tokens = tokens
        self._revocations = revocations
        self._provider = provider

    async def api(self, token: str) -> Claims:
        """Check a token for the HTTP API.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.
            TokenUncheckable: it can't be checked right now.
            ServiceError: an API key could not be checked.

        """
        if self._api_keys is not None and token.startswith(PREFIX):
            return await self._current(await self._api_keys.verify(token))
        return await self.session(token)

    async def session(self, token: str) -> Claims:
        """Check a token for the HTTP API that belongs to a session: no API key.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.
            TokenUncheckable: it can't be checked right now.

        """
        return await self._current(self._tokens.verify_api(token, await self._provider_key(token)))

    async def socket(self, token: str) -> Claims:
        """Check a token for the WebSocket.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.
            TokenUncheckable: it can't be checked right now.

        """
        return await self._current(self._tokens.verify_socket(token, await self._provider_key(token)))

    async def authenticate(self, token: str) -> Claims | Close:
        """Check a token for the WebSocket; return how to close if it can't be used."""
        try:
            claims = await self.socket(token)
        except TokenExpired as error:
            return Close(CloseCode.TOKEN_EXPIRED, str(error))
        except TokenRejected as error:
            return Close(CloseCode.UNAUTHENTICATED, str(error))
        except TokenUncheckable as error:
            # Not the client's fault: it is to come back with the same token.
            return Close(CloseCode.GOING_AWAY, str(error))
        if Scope.TASKS not in claims.scopes:
            return Close(CloseCode.UNAUTHENTICATED, "the token lacks the scope 'tasks'")
        return claims

    async def revocations(self) -> Revocations:
        """Return the revocations, once they have been read.

        Raises:
            RevocationsUnknown: they can't be read right now.

        """
        if not await self._revocations.until_known(_WAIT_S):
            raise RevocationsUnknown("the revocation list is not loaded yet; try again in a moment")
        return self._revocations

    async def _current(self, claims: Claims) -> Claims:
        if (await self.revocations()).revoked(claims):
            raise TokenRejected("the session was revoked; sign in again")
        return claims

    def revoked(self, claims: Claims) -> bool:
        """Return whether the session that a token belongs to was revoked, as far as is known."""
        return self._revocations.revoked(claims)

    async def _provider_key(self, token: str) -> ProviderKey | None:
        """Return the provider's key that a token claims to be signed with; None if it claims the own secret."""
        provider = self._provider
        if provider is None:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return None
        key_id = header.get("kid")
        if header.get("alg") not in provider.algorithms or not isinstance(key_id, str):
            return None
        try:
            key = await provider.keys.find(key_id)
        except KeyMissing as error:
            raise TokenRejected(f"the token can't be used: {error}") from None
        return ProviderKey(
            key=key, algorithms=provider.algorithms, issuer=provider.issuer, grants_admin=provider.grants_admin
        )
