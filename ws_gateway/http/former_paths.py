"""Former paths of routes: served by the same handlers, documented as deprecated, and answered with their successor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SUCCESSOR = "x-successor"
_SINCE = datetime(2026, 11, 28, tzinfo=UTC)
"""When the paths were deprecated: with release 0.2.0."""


def succeeded_by(path: str, openapi_extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the arguments that make a route's path a former one of ``path``."""
    return {"deprecated": True, "openapi_extra": {**(openapi_extra or {}), _SUCCESSOR: path}}


def add_former_path(router: APIRouter, path: str, endpoint: Callable[..., Any]) -> None:
    """Serve the route of a handler under a former path too."""
    route = next(each for each in router.routes if isinstance(each, APIRoute) and each.endpoint is endpoint)
    router.add_api_route(
        path,
        endpoint,
        methods=sorted(route.methods or ()),
        name=f"{route.name}_former",
        status_code=route.status_code,
        responses=route.responses,
        **succeeded_by(route.path, route.openapi_extra),
    )


class SuccessorHeaders:
    """ASGI middleware: responses on former paths carry ``Deprecation`` (RFC 9745) and the successor's ``Link``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def marked(message: Message) -> None:
            extra = getattr(scope.get("route"), "openapi_extra", None) or {}
            if message["type"] == "http.response.start" and _SUCCESSOR in extra:
                headers = MutableHeaders(scope=message)
                headers["Deprecation"] = f"@{int(_SINCE.timestamp())}"
                headers["Link"] = f'<{_filled(extra[_SUCCESSOR], scope["path_params"])}>; rel="successor-version"'
            await send(message)

        await self._app(scope, receive, marked)


def _filled(template: str, parameters: dict[str, Any]) -> str:
    return re.sub(r"{(\w+)}", lambda name: quote(str(parameters[name[1]]), safe=""), template)
