"""Rejects requests that change something where a page of another origin sent them."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ws_gateway.auth.request_origin import is_foreign
from ws_gateway.http.problems import Problem, respond

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginGuard:
    """ASGI middleware: 403 for a foreign page's POST, PUT, PATCH or DELETE, whichever token it carries."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        changes = scope["type"] == "http" and scope["method"] not in _READING
        if changes and is_foreign(Headers(scope=scope), self._allowed):
            await respond(_FOREIGN)(scope, receive, send)
            return
        await self._app(scope, receive, send)


_FOREIGN = Problem(
    HTTPStatus.FORBIDDEN,
    "origin_not_allowed",
    "a page of another origin sent this request; list the origin in WHITEBG_ALLOWED_ORIGINS, if it is yours",
)
