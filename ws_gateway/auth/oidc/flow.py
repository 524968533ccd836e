"""A sign-in in progress, stored in a signed cookie of the browser that began it. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from whitebg_process.token_lifetime import CLOCK_SKEW
from whitebg_process.tokens import decode_with_any
from ws_gateway.auth.jwt import ALGORITHM
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem

LIFETIME = timedelta(minutes=10)
"""Time to sign in at the issuer."""
_AUDIENCE = "whitebg-sign-in"
_MAX_RETURN_TO = 500
_SAFE_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The parameters that the issuer sent the browser back with."""

    code: str = ""
    error: str = ""
    issuer: str | None = None
    """``iss`` (RFC 9207)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """The values that bind the issuer's answer to the browser and to the request."""

    state: str
    """Binds the answer to the browser, and names the cookie."""
    nonce: str
    """Binds the ID token to the request."""
    verifier: str
    """PKCE: binds the code to the request."""
    return_to: str
    """Path of the page to open afterwards, see `safe_return_path`."""


def begin(return_to: str) -> PendingSignIn:
    """Return a new sign-in; each of its three values has 256 random bits."""
    return PendingSignIn(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(32),
        return_to=safe_return_path(return_to),
    )


def safe_return_path(path: str) -> str:
    r"""Return a path of this origin unchanged, and ``/`` in place of anything else.

    ``//host`` and ``/\host`` are other origins to a browser; the rest is printable ASCII without backslash or space.
    A path below ``/auth/`` is not of the page.
    """
    if len(path) > _MAX_RETURN_TO or not _SAFE_PATH.fullmatch(path) or "#" in path or path.startswith("/auth/"):
        return "/"
    return path


def cookie_name(state: str, *, secure: bool) -> str:
    """Return the cookie's name: one for each sign-in, so that two tabs can sign in at the same time.

    ``secure``: the page is served by https; browsers then accept the ``__Host-`` cookie from this host only, and none
    that another host of the domain set.
    """
    return f"{'__Host-' if secure else ''}whitebg-sign-in-{hashlib.sha256(state.encode()).hexdigest()[:16]}"


class FlowCookies:
    """Seals sign-ins into the value of a cookie, with a key that is derived from the JWT secret for this only."""

    def __init__(self, secret: str, former: Sequence[str] = ()) -> None:
        """Sign with ``secret``; cookies of the ``former`` secrets are valid too."""
        self._keys = tuple(map(_key_of, (secret, *former)))

    def seal(self, pending: PendingSignIn, now: datetime) -> str:
        """Return the cookie's value, valid for `LIFETIME`."""
        claims = {
            "sub": pending.state,
            "aud": _AUDIENCE,
            "exp": now + LIFETIME,
            "nonce": pending.nonce,
            "verifier": pending.verifier,
            "return_to": pending.return_to,
        }
        return jwt.encode(claims, self._keys[0], algorithm=ALGORITHM)

    def open(self, value: str | None, state: str, now: datetime) -> PendingSignIn:
        """Return the sign-in of a cookie that belongs to ``state``.

        Raises:
            SignInFailed: there is no such cookie, or it is forged, of another sign-in, or expired.

        """
        if not value:
            raise SignInFailed(SignInProblem.INTERRUPTED, "the browser has no sign-in in progress with this state")
        try:
            decoded = decode_with_any(value, self._keys, algorithms=[ALGORITHM], audience=_AUDIENCE)
        except jwt.PyJWTError as error:
            raise SignInFailed(SignInProblem.INTERRUPTED, f"the cookie of the sign-in is invalid: {error}") from None
        claims = decoded["payload"]
        if not hmac.compare_digest(str(claims["sub"]).encode(), state.encode()):
            raise SignInFailed(SignInProblem.INTERRUPTED, "the state is not that of the sign-in in progress")
        if now >= datetime.fromtimestamp(claims["exp"], UTC) + CLOCK_SKEW:  # Another gateway may have made the cookie.
            raise SignInFailed(SignInProblem.INTERRUPTED, f"the sign-in took longer than {LIFETIME}")
        return PendingSignIn(
            state=state, nonce=claims["nonce"], verifier=claims["verifier"], return_to=claims["return_to"]
        )


def _key_of(secret: str) -> str:
    return hmac.digest(secret.encode(), b"whitebg sign-in cookies, version 1", hashlib.sha256).hex()
