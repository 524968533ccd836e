"""Making the service's own kind of token, for those who hold its secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import jwt

AUDIENCE = "whitebg"
SCOPES = ("tasks", "admin", "service")
_RENEW_BEFORE_END = timedelta(minutes=5)


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def mint(secret: str, *, user: str, scopes: tuple[str, ...], lifetime: timedelta, now: datetime) -> str:
    """Return a signed token for ``user``.

    Raises:
        ValueError: the user is empty, a scope is not known, or the lifetime is not positive.

    """
    if not user:
        raise ValueError("the user is empty; name somebody")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise ValueError(f"{' '.join(unknown) or 'nothing'} is not a scope; known are {', '.join(SCOPES)}")
    if lifetime <= timedelta(0):
        raise ValueError(f"a lifetime of {lifetime} is over before it begins; give a positive one")
    claims = {"sub": user, "aud": AUDIENCE, "scope": " ".join(scopes), "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm="HS256")


def minting(
    secret: str,
    *,
    user: str,
    scopes: tuple[str, ...],
    lifetime: timedelta = timedelta(hours=1),
    clock: Callable[[], datetime] = utc_now,
) -> Callable[[], str]:
    """Return a function that gives a valid token each time, made anew shortly before the last one ends."""
    token, renew_at = "", datetime.min.replace(tzinfo=UTC)

    def current() -> str:
        nonlocal token, renew_at
        now = clock()
        if now >= renew_at:
            token = mint(secret, user=user, scopes=scopes, lifetime=lifetime, now=now)
            renew_at = now + lifetime - min(_RENEW_BEFORE_END, lifetime / 2)
        return token

    return current
