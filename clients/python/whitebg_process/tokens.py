"""JSON Web Tokens, checked with any of several keys: those before a rotation stay valid for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt


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
