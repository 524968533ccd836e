"""JSON Web Tokens: the caller's identity and permissions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt

from whitebg_process.key_sessions import KEY_SESSION_PREFIX
from whitebg_process.token_lifetime import CLOCK_SKEW, MAX_TOKEN_LIFETIME, outlives_revocations
from whitebg_process.tokens import decode_with_any
from whitebg_process.user_ids import GUEST_PREFIX, reserved_for
from ws_gateway.clock import Clock

ALGORITHM = "HS256"
WS_AUDIENCE_SUFFIX = "-ws"
_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""``typ`` of an access token (RFC 9068), and of those from providers that name every token ``JWT``; in lower case."""
_MAX_SUBJECT = 255


class Scope(StrEnum):
    """What a token allows."""

    TASKS = "tasks"
    ADMIN = "admin"
    SERVICE = "service"


class TokenRejected(Exception):
    """The token is missing or can't be used; the message gives the reason and never contains the token."""


class TokenUncheckable(Exception):
    """The token can't be checked at the moment; the message gives the reason."""

    code = "unavailable"
    """Stable name of the reason."""


class TokenExpired(TokenRejected):
    """The token was good once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of a verified token."""

    subject: str
    expires_at: datetime
    """The token's ``exp``, in UTC."""
    scopes: frozenset[str]
    token_id: str = ""
    """``jti``; empty for none."""
    session_id: str = ""
    """``sid``, or else ``jti``: the ID by which the session can be revoked; empty for none."""
    issued_at: datetime | None = None
    """In UTC; None if the token has no ``iat``."""
    ends_session: bool = False
    """Whether nothing made from the token may outlive it: it is an identity provider's, or stands for an API key."""

    @property
    def session_ids(self) -> frozenset[str]:
        """All that the session can be revoked by."""
        return frozenset(each for each in (self.session_id, self.token_id) if each)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """A key of an identity provider, and the requirements for its tokens."""

    key: jwt.PyJWK
    algorithms: Sequence[str]
    issuer: str
    """The ``iss`` of its tokens."""
    grants_admin: bool
    """Whether its tokens may hold the scope ``admin``."""


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token and when it ends."""

    token: str
    expires_at: datetime


class Tokens:
    """Makes tokens with one shared secret, and checks them: HS256, unless a key of an identity provider is given."""

    def __init__(self, *, secret: str, audience: str, clock: Clock, former: Sequence[str] = ()) -> None:
        """Sign with ``secret``; tokens of the ``former`` secrets are valid too."""
        self._secret = secret
        self._secrets = (secret, *former)
        self._audience = audience
        self._clock = clock

    def verify_api(self, token: str, provider: ProviderKey | None = None) -> Claims:
        """Check a token for the HTTP API.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.

        """
        return self._verify(token, [self._audience], provider)

    def verify_socket(self, token: str, provider: ProviderKey | None = None) -> Claims:
        """Check a token for the WebSocket: one of the API, or one made for the WebSocket only.

        Raises:
            TokenRejected: it can't be used; `TokenExpired` if it could have been once.

        """
        return self._verify(token, [self._audience, self._audience + WS_AUDIENCE_SUFFIX], provider)

    def mint_guest(self, ttl: timedelta, renewed: Claims | None = None) -> tuple[str, MintedToken]:
        """Make a token for a new guest, or another one for the session of a token; return the user with it."""
        user_id = renewed.subject if renewed else f"{GUEST_PREFIX}{secrets.token_hex(8)}"
        return user_id, self.mint_session(user_id, ttl, session_id=renewed.session_id if renewed else "")

    def mint_session(
        self, user_id: str, ttl: timedelta, *, name: str = "", is_admin: bool = False, session_id: str = ""
    ) -> MintedToken:
        """Make the token of a session, a new one unless ``session_id`` names it; ``name`` is for display only."""
        scopes = f"{Scope.TASKS} {Scope.ADMIN}" if is_admin else Scope.TASKS
        session = {"sid": session_id or secrets.token_hex(16), "name": name}
        return self._mint(user_id, self._audience, ttl, scopes, session)

    def mint_socket(self, claims: Claims, ttl: timedelta) -> MintedToken:
        """Make a token for the WebSocket only, for the same user and session: it is revoked together with that.

        It is good for ``ttl``, but not longer than a token that ends its session, or than any token is accepted.
        """
        now = self._clock.now().replace(microsecond=0)
        if claims.ends_session:
            ttl = min(ttl, claims.expires_at - now)
        if claims.issued_at is not None:
            ttl = min(ttl, claims.issued_at + MAX_TOKEN_LIFETIME - now)
        # Issued when the session's token was: a revocation of the tokens before some time applies to both.
        session = {"sid": claims.session_id, "jti": claims.token_id, "iat": claims.issued_at}
        return self._mint(claims.subject, self._audience + WS_AUDIENCE_SUFFIX, ttl, Scope.TASKS, session)

    def mint_service(self, ttl: timedelta) -> MintedToken:
        """Make the gateway's own token for the service."""
        return self._mint("gateway", self._audience, ttl, Scope.SERVICE)

    def mint_operator(self, claims: Claims, ttl: timedelta) -> MintedToken:
        """Make a token for calls of the service that an operator asks the gateway for; it stays in the gateway."""
        return self._mint(claims.subject, self._audience, ttl, Scope.ADMIN)

    def _mint(
        self, subject: str, audience: str, ttl: timedelta, scope: str, session: Mapping[str, Any] | None = None
    ) -> MintedToken:
        """Make a token; ``session`` adds claims or replaces them, and leaves out those that are empty."""
        now = self._clock.now().replace(microsecond=0)
        claims = {"sub": subject, "aud": audience, "iat": now, "exp": now + ttl, "scope": str(scope)}
        claims = {name: value for name, value in (claims | dict(session or {})).items() if value}
        return MintedToken(jwt.encode(claims, self._secret, algorithm=ALGORITHM), now + ttl)

    def _verify(self, token: str, audiences: list[str], provider: ProviderKey | None) -> Claims:
        if not token:
            raise TokenRejected("the token is missing")
        try:
            if provider is None:
                decoded = decode_with_any(token, self._secrets, algorithms=[ALGORITHM], audience=audiences)
            else:
                decoded = decode_with_any(
                    token,
                    [provider.key],
                    algorithms=list(provider.algorithms),
                    audience=audiences,
                    issuer=provider.issuer,
                )
        except jwt.InvalidIssuerError:
            raise TokenRejected("the token can't be used: its iss is not WHITEBG_JWT_ISSUER") from None
        except jwt.InvalidAudienceError:
            raise TokenRejected(f"the token is not for this: its aud must be {' or '.join(audiences)}") from None
        except jwt.InvalidTokenError as error:
            raise TokenRejected(f"the token can't be used: {error}") from None
        claims: dict[str, Any] = decoded["payload"]
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
            raise TokenRejected(f"the token can't be used: sub must be 1 to {_MAX_SUBJECT} printable characters")
        expires_at, now = _time(claims, "exp"), self._clock.now()
        if now - CLOCK_SKEW >= expires_at:
            raise TokenExpired(f"the token expired at {expires_at.isoformat()}; get a new one")
        if "nbf" in claims and now + CLOCK_SKEW < (begins_at := _time(claims, "nbf")):
            raise TokenRejected(f"the token can't be used before {begins_at.isoformat()}; check the issuer's clock")
        issued_at = _time(claims, "iat") if "iat" in claims else None
        if outlives_revocations(expires_at=expires_at, issued_at=issued_at, now=now):
            raise TokenRejected(
                f"the token can't be used: it is valid until {expires_at.isoformat()}, which is too long; "
                f"make it expire at most {MAX_TOKEN_LIFETIME.days} days after its iat"
            )
        scopes = _scopes(claims.get("scope")) if provider is None else _granted(provider, decoded["header"], claims)
        token_id, session_id = (value if isinstance(value := claims.get(name), str) else "" for name in ("jti", "sid"))
        if provider is not None and any(each.startswith(KEY_SESSION_PREFIX) for each in (token_id, session_id)):
            raise TokenRejected(f"the token can't be used: its sid or jti begins with {KEY_SESSION_PREFIX!r}")
        return Claims(
            subject=subject,
            expires_at=expires_at,
            scopes=scopes,
            token_id=token_id,
            session_id=session_id or token_id,
            issued_at=issued_at,
            ends_session=provider is not None,
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


def _granted(provider: ProviderKey, header: Mapping[str, Any], claims: Mapping[str, Any]) -> frozenset[str]:
    """Return what a provider's token allows; one that names no scope, such as an ID token, allows nothing."""
    if str(header.get("typ", "")).lower() not in _TOKEN_TYPES:
        raise TokenRejected("the token can't be used: its typ must be at+jwt or JWT; send an access token")
    if reserved := reserved_for(str(claims["sub"])):
        raise TokenRejected(f"the token can't be used: its sub {reserved}")
    allowed = {Scope.TASKS.value, Scope.ADMIN.value} if provider.grants_admin else {Scope.TASKS.value}
    return _scopes(claims.get("scope", "")) & allowed
