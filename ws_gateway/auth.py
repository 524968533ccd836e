"""JSON Web Tokens: who is asking, and what they may."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt

from ws_gateway.clock import Clock

ALGORITHM = "HS256"
WS_AUDIENCE_SUFFIX = "-ws"
_MAX_SUBJECT = 255


class Scope(StrEnum):
    """What a token allows."""

    TASKS = "tasks"
    ADMIN = "admin"
    SERVICE = "service"


class TokenRejected(Exception):
    """The token is missing or can't be used; the string says why, and never holds the token."""


class TokenUncheckable(Exception):
    """Whether the token can be used can't be known right now; the string says why."""

    code = "unavailable"
    """Stable name of the reason."""


class TokenExpired(TokenRejected):
    """The token was good once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token that was checked says."""

    subject: str
    expires_at: datetime
    """In UTC."""
    scopes: frozenset[str]
    token_id: str = ""
    """``jti``, by which the session can be revoked; empty for none."""
    issued_at: datetime | None = None
    """In UTC; None if the token does not say."""


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token and when it ends."""

    token: str
    expires_at: datetime


class Tokens:
    """Makes tokens with one shared secret, and checks them: HS256, unless a public key and its algorithms are given."""

    def __init__(self, *, secret: str, audience: str, clock: Clock) -> None:
        self._secret = secret
        self._audience = audience
        self._clock = clock

    def verify_api(self, token: str, key: jwt.PyJWK | None = None, algorithms: Sequence[str] = ()) -> Claims:
        """Check a token for the HTTP API.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.

        """
        return self._verify(token, [self._audience], key, algorithms)

    def verify_socket(self, token: str, key: jwt.PyJWK | None = None, algorithms: Sequence[str] = ()) -> Claims:
        """Check a token for the WebSocket: one of the API, or one made for the WebSocket only.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.

        """
        return self._verify(token, [self._audience, self._audience + WS_AUDIENCE_SUFFIX], key, algorithms)

    def mint_guest(self, ttl: timedelta, user_id: str | None = None) -> tuple[str, MintedToken]:
        """Make a token for a guest, a new one unless ``user_id`` is given; return the user with it."""
        user_id = user_id or f"guest-{secrets.token_hex(8)}"
        return user_id, self._mint(user_id, self._audience, ttl, Scope.TASKS)

    def mint_socket(self, claims: Claims, ttl: timedelta) -> MintedToken:
        """Make a token for the WebSocket only, for the same user; who revokes the session's token revokes it too."""
        return self._mint(claims.subject, self._audience + WS_AUDIENCE_SUFFIX, ttl, Scope.TASKS, claims.token_id)

    def mint_service(self, ttl: timedelta) -> MintedToken:
        """Make the gateway's own token for the service."""
        return self._mint("gateway", self._audience, ttl, Scope.SERVICE)

    def _mint(self, subject: str, audience: str, ttl: timedelta, scope: Scope, token_id: str = "") -> MintedToken:
        now = self._clock.now().replace(microsecond=0)
        claims = {"sub": subject, "aud": audience, "iat": now, "exp": now + ttl, "scope": scope.value}
        if token_id:
            claims["jti"] = token_id
        return MintedToken(jwt.encode(claims, self._secret, algorithm=ALGORITHM), now + ttl)

    def _verify(self, token: str, audiences: list[str], key: jwt.PyJWK | None, algorithms: Sequence[str]) -> Claims:
        if not token:
            raise TokenRejected("the token is missing")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret if key is None else key,
                algorithms=[ALGORITHM] if key is None else list(algorithms),
                audience=audiences,
                # Expiry is checked below, against the clock that was passed in.
                options={"require": ["sub", "exp", "aud"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidAudienceError:
            raise TokenRejected(f"the token is not for this: its aud must be {' or '.join(audiences)}") from None
        except jwt.InvalidTokenError as error:
            raise TokenRejected(f"the token can't be used: {error}") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
            raise TokenRejected(f"the token can't be used: sub must be 1 to {_MAX_SUBJECT} printable characters")
        expires_at = _time(claims, "exp")
        if expires_at <= self._clock.now():
            raise TokenExpired(f"the token expired at {expires_at.isoformat()}; get a new one")
        token_id = claims.get("jti", "")
        return Claims(
            subject=subject,
            expires_at=expires_at,
            scopes=_scopes(claims.get("scope")),
            token_id=token_id if isinstance(token_id, str) else "",
            issued_at=_time(claims, "iat") if "iat" in claims else None,
        )


def _time(claims: dict[str, Any], name: str) -> datetime:
    try:
        return datetime.fromtimestamp(claims[name], UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise TokenRejected(f"the token can't be used: {name} must be a time in seconds") from None


def _scopes(scope: Any) -> frozenset[str]:
    """Read the scopes; a token that names none is good for tasks."""
    if scope is None:
        return frozenset({Scope.TASKS.value})
    if not isinstance(scope, str):
        raise TokenRejected("the token can't be used: scope must be words separated by spaces")
    return frozenset(scope.split())
