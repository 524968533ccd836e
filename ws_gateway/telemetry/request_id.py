"""The id that follows one request from the browser to the service."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar

_USABLE = re.compile(r"[A-Za-z0-9._:-]{1,64}")

current: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being served; empty outside of requests."""


def usable_or_new(given: str | None) -> str:
    """Return the client's id if it can go into logs and metadata, else a new one."""
    if given is not None and _USABLE.fullmatch(given):
        return given
    return secrets.token_hex(8)


def fields() -> Mapping[str, str]:
    """Return the present request's id as the field of a log line; nothing outside a request."""
    identity = current.get()
    return {"request_id": identity} if identity else {}
