"""Tokens of stored cases: written once, and signed again for each run, since no token is accepted for years."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from tests.support.api import token
from tools.fuzz.cases import Case, GrpcCase, HttpCase

SECRET = "the secret of servers under fuzzing, the same in each run so that stored cases stay valid"  # noqa: S105 (no other server has it)
STORED_EXPIRY = 4_000_000_000
"""The ``exp`` of valid tokens in stored cases, by which they are recognised."""
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def sign(user: str, **claims: Any) -> str:
    """Return the token of a case, the same in each run, unless the claims replace its times."""
    return token(user, secret=SECRET, **{"exp": STORED_EXPIRY} | claims)


def valid_now(case: Case) -> Case:
    """Return the case with tokens that are valid today, of the same length, for its valid ones."""
    if isinstance(case, GrpcCase):
        return replace(case, metadata=[(name, _renewed(value)) for name, value in case.metadata])
    if isinstance(case, HttpCase):
        return replace(case, request=_renewed_bytes(case.request))
    frames = [_renewed(each) if isinstance(each, str) else _renewed_bytes(each) for each in case.frames]
    return replace(case, query=_renewed(case.query), frames=frames)


def _renewed_bytes(data: bytes) -> bytes:
    return _renewed(data.decode("latin-1")).encode("latin-1")


def _renewed(text: str) -> str:
    return _TOKEN.sub(lambda found: _renew(found[0]), text)


def _renew(text: str) -> str:
    try:
        claims = json.loads(jwt.api_jws.decode(text, SECRET, algorithms=["HS256"]))
    except (jwt.InvalidTokenError, ValueError):
        return text  # Wrong on purpose.
    if not isinstance(claims, dict) or claims.get("exp") != STORED_EXPIRY:
        return text
    tomorrow = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    return jwt.encode(claims | {"exp": tomorrow}, SECRET, algorithm="HS256")
