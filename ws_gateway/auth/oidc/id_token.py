"""Verification of ID tokens (OpenID Connect Core, section 3.1.3.7). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jwt
from authlib.oidc.core import CodeIDToken
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidClaimError

from whitebg_process.token_lifetime import CLOCK_SKEW
from whitebg_process.tokens import decode_with_any
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Allowed signatures: asymmetric ones, so that no client secret and no public key can serve as the signing key."""
_TIMES = frozenset({"iat", "nbf"})


def key_id_of(id_token: str) -> str:
    """Return the id of the key that an ID token names; not verified.

    Raises:
        SignInFailed: it names none, or an algorithm that is not allowed.

    """
    try:
        header = jwt.get_unverified_header(id_token)
    except jwt.InvalidTokenError as error:
        raise _invalid(str(error)) from None
    if header.get("alg") not in ALGORITHMS:
        raise _invalid(f"its alg is {header.get('alg')!r}; allowed are {', '.join(ALGORITHMS)}")
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        raise _invalid("its header names no key (kid)")
    return key_id


def verify_id_token(
    id_token: str,
    key: jwt.PyJWK,
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the claims of an ID token once all of them are as they must be.

    Raises:
        SignInFailed: signature, algorithm, issuer, audience, nonce, times or another claim is wrong.

    """
    try:
        decoded = decode_with_any(id_token, [key], algorithms=ALGORITHMS, audience=client_id, issuer=issuer)
    except jwt.PyJWTError as error:
        raise _invalid(str(error)) from None
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    claims = CodeIDToken(decoded["payload"], decoded["header"], params=params)
    try:
        claims.validate(now=int(now.timestamp()), leeway=int(CLOCK_SKEW.total_seconds()))
    except ExpiredTokenError:
        raise _clock("has expired", now) from None
    except ClaimError as error:
        if isinstance(error, InvalidClaimError) and error.claim in _TIMES:
            raise _clock(f"is not valid yet ({error.claim})", now) from None
        raise _invalid(str(error)) from None
    except (TypeError, ValueError) as error:
        raise _invalid(f"a claim can't be compared: {error}") from None
    payload: dict[str, Any] = decoded["payload"]
    return payload


def _invalid(reason: str) -> SignInFailed:
    return SignInFailed(SignInProblem.ISSUER_ERROR, f"the issuer's ID token can't be used: {reason}")


def _clock(what: str, now: datetime) -> SignInFailed:
    message = f"the issuer's ID token {what} by this host's clock ({now.isoformat()}); synchronise both clocks (NTP)"
    return SignInFailed(SignInProblem.CLOCK, message)
