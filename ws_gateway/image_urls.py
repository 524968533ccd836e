"""Signed links to images: who has the link may fetch this one image, until it expires."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta
from urllib.parse import urlencode

from protos.whitebg.v1 import task_pb2
from ws_gateway.clock import Clock


class LinkRejected(Exception):
    """The link's signature does not fit; the string is for a person."""


class LinkExpired(LinkRejected):
    """The link was good once."""


class ImageUrls:
    """Makes and checks links. The key is derived from the JWT secret and is good for nothing else.

    Links made within the same half of ``ttl`` are equal, so that browsers find the image in their cache again;
    each is good for at least ``ttl``.
    """

    def __init__(self, *, secret: str, base_url: str, ttl: timedelta, clock: Clock) -> None:
        self._key = hmac.digest(secret.encode(), b"whitebg image links, version 1", hashlib.sha256)
        self._base_url = base_url
        self._step = max(1, int(ttl.total_seconds()) // 2)
        self._clock = clock

    def url(self, task: task_pb2.Task, kind: str) -> str:
        """Return the link to an image of a task; ``kind`` is ``input``, ``result`` or ``thumbnail``."""
        expires = (int(self._clock.now().timestamp()) // self._step + 3) * self._step
        signature = self._sign(task.task_id, kind, task.user_id, expires)
        query = urlencode({"user": task.user_id, "exp": expires, "sig": signature})
        return f"{self._base_url}/images/{task.task_id}/{kind}?{query}"

    def check(self, *, task_id: int, kind: str, user_id: str, expires: int, signature: str) -> None:
        """Accept a link.

        Raises:
            LinkRejected: it was changed; `LinkExpired` if it is genuine but old.

        """
        genuine = self._sign(task_id, kind, user_id, expires)
        if not hmac.compare_digest(genuine.encode(), signature.encode()):
            raise LinkRejected("the signature does not fit this link; use it exactly as the gateway gave it")
        if expires <= self._clock.now().timestamp():
            raise LinkExpired("the link has expired; get a new one with GET /api/generation/tasks/{id}")

    def _sign(self, task_id: int, kind: str, user_id: str, expires: int) -> str:
        # The user comes last: it is the only part that may hold a line break.
        text = f"{task_id}\n{kind}\n{expires}\n{user_id}"
        return urlsafe_b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).rstrip(b"=").decode()
