"""Signed links to images: each grants access to one image, as long as the session that received it lasts."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson

from whitebg.v1 import task_pb2
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.auth.jwt import Claims
from ws_gateway.clock import Clock


class LinkRejected(Exception):
    """The link's signature does not fit; the string is for a person."""


class LinkExpired(LinkRejected):
    """The link was good once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The content of a link: image, owner, expiry, and the session that received it."""

    task_id: int
    kind: str
    """``input``, ``result``, ``thumbnail`` or ``mask``."""
    user_id: str
    expires: int
    """In seconds since 1970."""
    session_id: str = ""
    """Of the token; empty for none."""
    issued: int | None = None
    """When the token was issued, in seconds since 1970; None if unknown."""

    @property
    def issued_at(self) -> datetime | None:
        """When the token was issued, in UTC; None if unknown."""
        return None if self.issued is None else datetime.fromtimestamp(self.issued, UTC)


class ImageUrls:
    """Makes and checks links. The key is derived from the JWT secret and is good for nothing else.

    Links made for one token within the same half of ``ttl`` are equal, so that browsers find the image in their cache
    again; each is good for at least ``ttl``, but not longer than the token.

    Messages are encoded once for all sessions of a user. So they hold a `slot` for each link, and `fill` puts a
    session's own links there. A slot can't be made up: it holds a random number of this process.
    """

    def __init__(self, *, secret: str, base_url: str, ttl: timedelta, clock: Clock, former: Sequence[str] = ()) -> None:
        """Sign with ``secret``; links of the ``former`` secrets are valid too."""
        self._key = _key_of(secret)
        self._keys = (self._key, *map(_key_of, former))
        self._base_url = base_url
        self._step = max(1, int(ttl.total_seconds()) // 2)
        self._clock = clock
        self._mark = f"image-{secrets.token_hex(16)}"
        self._slots = re.compile(rf"{self._mark}/(\d+)/(\w+);")

    def slot(self, task: task_pb2.Task, kind: str) -> str:
        """Return what stands for the link to an image of a task until `fill`."""
        return f"{self._mark}/{task.task_id}/{kind};"

    def fill(self, text: str, claims: Claims) -> str:
        """Return the text of a message with the links of a session in its slots."""
        if self._mark not in text:
            return text
        return self._slots.sub(lambda slot: self.url(int(slot[1]), slot[2], claims), text)

    def of(self, claims: Claims) -> Callable[[task_pb2.Task, str], str]:
        """Return what makes the links of a session."""
        return lambda task, kind: self.url(task.task_id, kind, claims)

    def url(self, task_id: int, kind: str, claims: Claims) -> str:
        """Return the link of a session to an image of one of its user's tasks."""
        expires = (int(self._clock.now().timestamp()) // self._step + 3) * self._step
        link = Link(
            task_id=task_id,
            kind=kind,
            user_id=claims.subject,
            expires=min(expires, int(claims.expires_at.timestamp())),
            session_id=claims.session_id,
            issued=None if claims.issued_at is None else int(claims.issued_at.timestamp()),
        )
        named = {"user": link.user_id, "exp": link.expires, "sid": link.session_id or None, "iat": link.issued}
        query = urlencode(
            {name: value for name, value in named.items() if value is not None} | {"sig": self.sign(link)}
        )
        return f"{self._base_url}/images/{task_id}/{kind}?{query}"

    def check(self, link: Link, signature: str) -> None:
        """Accept a link.

        Raises:
            LinkRejected: it was changed; `LinkExpired` if it is genuine but old.

        """
        given = signature.encode()
        if not any(hmac.compare_digest(_signature(key, link).encode(), given) for key in self._keys):
            raise LinkRejected("the signature does not fit this link; use it exactly as the gateway gave it")
        # Another gateway, whose clock differs, may have made the link.
        if self._clock.now().timestamp() >= link.expires + CLOCK_SKEW.total_seconds():
            raise LinkExpired("the link has expired; get a new one with GET /api/v2/tasks/{id}")

    def sign(self, link: Link) -> str:
        """Return a link's signature, URL-safe."""
        return _signature(self._key, link)


def _key_of(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"whitebg image links, version 2", hashlib.sha256)


def _signature(key: bytes, link: Link) -> str:
    text = orjson.dumps([link.task_id, link.kind, link.expires, link.issued, link.session_id, link.user_id])
    return urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).rstrip(b"=").decode()
