"""Authentication of callers, and authorization to act for users."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt

from generator_service.domain.api_key import PREFIX, ApiKey
from generator_service.domain.clock import Clock, SystemClock
from generator_service.domain.errors import InvalidRequest, PermissionDenied, SessionRevoked, Unauthenticated
from generator_service.domain.revocation import Session
from whitebg_process.token_lifetime import CLOCK_SKEW, MAX_TOKEN_LIFETIME, outlives_revocations
from whitebg_process.tokens import decode_with_any

ALGORITHMS = ("HS256",)
MAX_USER_ID_LENGTH = 255
SCHEME = "bearer "
MAX_VERIFIED = 1000
"""Verified tokens that are remembered: a caller sends the same one with every call."""
_LAST_TIME = datetime.max.replace(tzinfo=UTC) - CLOCK_SKEW
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def usable_name(user_id: str) -> bool:
    """Return whether every database can store this user name: none accepts lone surrogates, and PostgreSQL no NUL."""
    return 1 <= len(user_id) <= MAX_USER_ID_LENGTH and not _UNSTORABLE.search(user_id)


class Scope(StrEnum):
    """A permission granted by a token."""

    TASKS = "tasks"
    """The caller's own tasks."""
    ADMIN = "admin"
    """The state of the queue."""
    SERVICE = "service"
    """The tasks of all users."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    subject: str
    scopes: frozenset[Scope]
    session: Session | None = field(default=None, compare=False)
    """The session of the token; None without a token."""

    def require(self, *any_of: Scope) -> None:
        """Check that the token has one of these scopes.

        Raises:
            PermissionDenied: the token has none of them.

        """
        if not self.scopes.intersection(any_of):
            wanted = " or ".join(repr(scope.value) for scope in any_of)
            raise PermissionDenied(f"the token's scope must contain {wanted}; ask for a token that does")

    def acting_for(self, user_id: str) -> str:
        """Return the user of a request: the named one, or the caller if none is named.

        Raises:
            InvalidRequest: the user name is invalid.
            PermissionDenied: the caller may not act for that user.

        """
        if not user_id or user_id == self.subject:
            self.require(Scope.TASKS, Scope.SERVICE)
            return self.subject
        if not usable_name(user_id):
            raise InvalidRequest("user_id", f"must have 1 to {MAX_USER_ID_LENGTH} characters, all of them storable")
        if Scope.SERVICE not in self.scopes:
            raise PermissionDenied(
                f"the token of {self.subject!r} can't act for {user_id!r}; leave user_id empty, "
                "or use a token with the scope 'service'"
            )
        return user_id

    def owner_filter(self, user_id: str) -> str | None:
        """Return the user whose tasks a request may access; None means all users."""
        if not user_id and Scope.SERVICE in self.scopes:
            return None
        return self.acting_for(user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claims:
    """What a token with a good signature says."""

    caller: Caller
    session: Session
    """Its ``accepted_until`` allows for the clock of the token's issuer."""
    expires_at: datetime
    begins_at: datetime | None


class Authenticator:
    """Checks JSON Web Tokens. Only the algorithms named here are accepted, regardless of a token's header."""

    def __init__(
        self,
        secret: str,
        audience: str,
        clock: Clock | None = None,
        *,
        revoked: Callable[[Session], bool] = lambda _: False,
        check_key: Callable[[str], ApiKey] | None = None,
        former: Sequence[str] = (),
    ) -> None:
        """``clock`` defaults to the machine's; ``revoked`` returns whether a session was revoked.

        ``former`` are secrets before a rotation, whose tokens are valid too. ``check_key`` returns the API key of a
        text, or raises `Unauthenticated`; None accepts no API keys.
        """
        self._check_key = check_key
        self._revoked = revoked
        self._secrets = (secret, *former)
        self._audience = audience
        self._clock = clock or SystemClock()
        self._verified: dict[str, _Claims] = {}
        """Tokens whose signature and claims were found good; times and revocations are checked at each call."""

    def authenticate(self, header: str | None) -> Caller:
        """Read the value of an ``authorization`` header.

        Raises:
            SessionRevoked: the token's session was revoked.
            Unauthenticated: there is no value, or its token is invalid.

        """
        if header is None:
            raise Unauthenticated("the metadata 'authorization: Bearer <token>' is missing")
        if not header.lower().startswith(SCHEME):
            raise Unauthenticated("the metadata 'authorization' must read 'Bearer <token>'")
        token = header[len(SCHEME) :].strip()
        if self._check_key is not None and token.startswith(PREFIX):
            caller = caller_of(self._check_key(token))
        else:
            caller = self._bearer(token)
        if caller.session is not None and self._revoked(caller.session):
            raise SessionRevoked
        return caller

    def _bearer(self, token: str) -> Caller:
        """Return the caller that shows a token, if that is valid now.

        Raises:
            Unauthenticated: the token is invalid.

        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._verified) >= MAX_VERIFIED:
                del self._verified[next(iter(self._verified))]
            self._verified[token] = claims
        now = self._clock.now()
        if claims.session.expired(now):
            ended = claims.expires_at.isoformat()
            raise Unauthenticated(f"the token has expired; get a new one (it ended at {ended})")
        if claims.begins_at is not None and now + CLOCK_SKEW < claims.begins_at:
            begins = claims.begins_at.isoformat()
            raise Unauthenticated(f"the token is not yet valid; it begins at {begins}: check the clocks")
        if outlives_revocations(expires_at=claims.expires_at, issued_at=claims.session.issued_at, now=now):
            raise Unauthenticated(
                f"the token is valid until {claims.expires_at.isoformat()}, which is too long; "
                f"make it expire at most {MAX_TOKEN_LIFETIME.days} days after its 'iat'"
            )
        return claims.caller

    def _verify(self, token: str) -> _Claims:
        """Check everything about a token that stays as it is.

        Raises:
            Unauthenticated: the token is invalid.

        """
        try:
            decoded = decode_with_any(token, self._secrets, algorithms=ALGORITHMS, audience=self._audience)
        except jwt.InvalidAudienceError:
            raise Unauthenticated(
                f"the token is not for this service; its audience must be {self._audience!r}"
            ) from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        claims: dict[str, Any] = decoded["payload"]
        subject = claims["sub"]
        if not usable_name(subject):
            raise Unauthenticated(
                f"the token's 'sub' must have 1 to {MAX_USER_ID_LENGTH} characters, all of them storable"
            )
        expires_at = _time(claims, "exp")
        session, named = _session(claims, expires_at), str(claims.get("scope", "")).split()
        return _Claims(
            caller=Caller(subject, frozenset(scope for scope in Scope if scope.value in named), session),
            session=session,
            expires_at=expires_at,
            begins_at=_time(claims, "nbf") if "nbf" in claims else None,
        )


def caller_of(key: ApiKey) -> Caller:
    """Return the caller that shows an API key. The revocation of all sessions of a user does not concern it."""
    session = Session(
        user_id=key.session_id,
        ids=frozenset({key.session_id}),
        issued_at=key.created_at,
        accepted_until=key.expires_at,
    )
    return Caller(key.user_id, frozenset(scope for scope in Scope if scope.value in key.scopes), session)


def _session(claims: dict[str, Any], expires_at: datetime) -> Session:
    ids = (claims.get("sid"), claims.get("jti"))
    return Session(
        user_id=claims["sub"],
        ids=frozenset(each for each in ids if isinstance(each, str) and each),
        issued_at=_time(claims, "iat") if "iat" in claims else None,
        accepted_until=min(expires_at, _LAST_TIME) + CLOCK_SKEW,
    )


def _time(claims: dict[str, Any], name: str) -> datetime:
    try:
        return datetime.fromtimestamp(claims[name], UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Unauthenticated(f"the token is not valid: {name} must be a time in seconds") from None
