"""Making the service's own kind of token, for those who hold its secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from whitebg_process.token_lifetime import MAX_TOKEN_LIFETIME

AUDIENCE = "whitebg"
SCOPES = ("tasks", "admin", "service")
DEFAULT_USER = "local"
"""User of the command line where none is named."""
LINK_LIFETIME = timedelta(days=30)
"""Lifetime of a link's token: as long as the service stores tasks by default."""
_RENEW_BEFORE_END = timedelta(minutes=5)


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def mint(secret: str, *, user: str, scopes: tuple[str, ...], lifetime: timedelta, now: datetime) -> str:
    """Return a signed token for ``user``.

    Raises:
        ValueError: the user is empty, a scope is not known, or the lifetime is not positive or longer than 366 days.

    """
    if not user:
        raise ValueError("the user is empty; name one")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise ValueError(f"{' '.join(unknown) or 'nothing'} is not a scope; known are {', '.join(SCOPES)}")
    if lifetime <= timedelta(0):
        raise ValueError(f"a lifetime of {lifetime} is over before it begins; give a positive one")
    if lifetime > MAX_TOKEN_LIFETIME:
        raise ValueError(
            f"a lifetime of {lifetime.days} days is too long; servers accept {MAX_TOKEN_LIFETIME.days} days at most"
        )
    claims = {"sub": user, "aud": AUDIENCE, "scope": " ".join(scopes), "iat": now, "exp": now + lifetime}
    # Imported here because it takes a sixth of a command's start, and most tokens are given.
    import jwt

    return jwt.encode(claims, secret, algorithm="HS256")


def sign_in_link(
    http_url: str,
    secret: str,
    *,
    user: str = DEFAULT_USER,
    lifetime: timedelta = LINK_LIFETIME,
    operator: bool = False,
    now: datetime | None = None,
) -> str:
    """Return the URL that opens the page as ``user``. The token is in the fragment, which browsers never send.

    An ``operator`` has the scope ``admin`` too, and the URL opens the page for operators.

    Raises:
        ValueError: the user is empty, or the lifetime is not positive or longer than 366 days.

    """
    scopes = ("tasks", "admin") if operator else ("tasks",)
    token = mint(secret, user=user, scopes=scopes, lifetime=lifetime, now=now or utc_now())
    return f"{http_url}/{'admin' if operator else ''}#token={token}"


def minting(
    secret: str,
    *,
    user: str,
    scopes: tuple[str, ...],
    lifetime: timedelta = timedelta(hours=1),
    clock: Callable[[], datetime] = utc_now,
) -> Callable[[], str]:
    """Return a function that returns a valid token: a new one shortly before the last one ends, or the clock is set."""
    token, minted_at, renew_at = "", datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)

    def current() -> str:
        nonlocal token, minted_at, renew_at
        now = clock()
        if not minted_at <= now < renew_at:
            token = mint(secret, user=user, scopes=scopes, lifetime=lifetime, now=now)
            minted_at, renew_at = now, now + lifetime - min(_RENEW_BEFORE_END, lifetime / 2)
        return token

    return current
