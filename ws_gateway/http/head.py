"""HEAD wherever GET is supported."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

WITHOUT_BODY = "whitebg.without_body"
"""Set in the scope of a HEAD request: a route that streams a body can leave it out."""


class HeadAsGet:
    """ASGI middleware that routes HEAD as GET; the server sends the same headers and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # Range is defined for GET alone (RFC 9110, section 14.2).
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        # A copy: the server decides by its own scope that no body is sent.
        routed = {**scope, "method": "GET", "headers": headers, WITHOUT_BODY: True}
        try:
            await self._app(routed, receive, send)
        finally:
            # The access log counts requests by the route that they matched.
            scope["route"] = routed.get("route")
