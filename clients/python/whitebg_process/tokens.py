"""JSON Web Tokens, checked with any of several keys: those before a rotation stay valid for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt

MAX_TOKEN_LIFETIME = timedelta(days=366)
"""Longest lifetime of a token that is accepted, from its ``iat``; revocations are kept as long, so none is outlived."""


CLOCK_SKEW = timedelta(seconds=60)
"""How far the clocks of two hosts may differ: times that another host set are compared with this allowance."""


def outlives_revocations(*, expires_at: datetime, issued_at: datetime | None, now: datetime) -> bool:
    """Return whether a token lives longer than the revocation of its session would be kept.

    A token without a time of issue is counted from ``now``; so is one whose clock is further ahead than `CLOCK_SKEW`.
    """
    began = issued_at if issued_at is not None and issued_at <= now + CLOCK_SKEW else now
    return expires_at - began > MAX_TOKEN_LIFETIME


def decode_with_any(
    token: str,
    keys: Sequence[str | jwt.PyJWK],
    *,
    algorithms: Sequence[str],
    audience: str | Sequence[str],
    issuer: str | None = None,
) -> dict[str, Any]:
    """Check a token's signature by each key, then its issuer and audience; return its ``header`` and ``payload``.

    The times are left to the caller, who has the clock that counts. ``iat`` is no limit, whichever clock set it.

    Raises:
        jwt.PyJWTError: the token is invalid; for the signature, no key fits.

    """
    for number, key in enumerate(keys, start=1):
        try:
            return jwt.decode_complete(
                token,
                key,
                algorithms=algorithms,
                audience=audience,
                issuer=issuer,
                options={
                    "require": ["sub", "exp", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidSignatureError:
            if number == len(keys):
                raise
    raise ValueError("no key was given")
