"""Who may come in: tokens of one's own secret or of an identity provider, unless they were revoked."""

from __future__ import annotations

from collections.abc import Sequence

import jwt

from ws_gateway.auth import Claims, Scope, TokenExpired, TokenRejected, Tokens, TokenUncheckable
from ws_gateway.codes import Close, CloseCode
from ws_gateway.jwks import KeyMissing, KeySet
from ws_gateway.revocations.contract import Revocations, RevocationsUnknown


class Authority:
    """Checks tokens.

    With ``keys``, tokens signed with one of ``algorithms`` are checked against them; those of the own secret, such as
    WebSocket tokens made here, stay good. An algorithm never chooses another's key.
    """

    def __init__(
        self, *, tokens: Tokens, revocations: Revocations, keys: KeySet | None = None, algorithms: Sequence[str] = ()
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._keys = keys
        self._algorithms = tuple(algorithms)

    async def api(self, token: str) -> Claims:
        """Check a token for the HTTP API.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.
            TokenUncheckable: it can't be checked right now.

        """
        return self._current(self._tokens.verify_api(token, await self._key(token), self._algorithms))

    async def socket(self, token: str) -> Claims:
        """Check a token for the WebSocket.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.
            TokenUncheckable: it can't be checked right now.

        """
        return self._current(self._tokens.verify_socket(token, await self._key(token), self._algorithms))

    async def admit(self, token: str) -> Claims | Close:
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

    def _current(self, claims: Claims) -> Claims:
        if not self._revocations.known:
            raise RevocationsUnknown("what was revoked can't be read right now; try again in a moment")
        if self.revoked(claims):
            raise TokenRejected("the session was revoked; sign in again")
        return claims

    def revoked(self, claims: Claims) -> bool:
        """Say whether the session that a token stands for was revoked."""
        return self._revocations.covers(user_id=claims.subject, token_id=claims.token_id, issued_at=claims.issued_at)

    async def _key(self, token: str) -> jwt.PyJWK | None:
        """Return the provider's key that a token claims to be signed with; None if it claims the own secret."""
        if self._keys is None:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return None
        key_id = header.get("kid")
        if header.get("alg") not in self._algorithms or not isinstance(key_id, str):
            return None
        try:
            return await self._keys.find(key_id)
        except KeyMissing as error:
            raise TokenRejected(f"the token can't be used: {error}") from None
