"""Dependencies of routes: the gateway's components, and the caller."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, Path, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from ws_gateway.auth.jwt import Claims, Scope, TokenExpired, TokenRejected
from ws_gateway.components import Gateway
from ws_gateway.http.client_address import client_address
from ws_gateway.http.problems import Problem
from ws_gateway.limits.rates.limits import RateLimit

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A session token, HS256")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]

TaskId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The task")]


def gateway_of(connection: HTTPConnection) -> Gateway:
    """Return the parts of this process."""
    return cast("Gateway", connection.app.state.gateway)


async def in_gateway(connection: HTTPConnection) -> Gateway:
    """Return the parts of this process; not in a thread, as plain functions are."""
    return gateway_of(connection)


def address_of(connection: HTTPConnection, gateway: Gateway) -> str:
    """Return the address that the client is counted by."""
    peer = connection.client.host if connection.client is not None else ""
    return client_address(peer, connection.headers.getlist("x-forwarded-for"), gateway.settings.trusted_proxies)


InGateway = Annotated[Gateway, Depends(in_gateway)]


async def check_bearer(gateway: Gateway, credentials: HTTPAuthorizationCredentials | None, scope: Scope) -> Claims:
    """Return the caller's claims.

    Raises:
        Problem: 401 without a good token, 403 if it lacks the scope.
        TokenUncheckable: it can't be checked right now; answered with 503.

    """
    try:
        claims = await gateway.authority.api("" if credentials is None else credentials.credentials)
    except TokenRejected as error:
        code = "token_expired" if isinstance(error, TokenExpired) else "unauthenticated"
        headers = {"WWW-Authenticate": 'Bearer realm="whitebg"'}
        raise Problem(HTTPStatus.UNAUTHORIZED, code, str(error), headers=headers) from None
    if scope not in claims.scopes:
        raise Problem(HTTPStatus.FORBIDDEN, "scope_missing", f"the token lacks the scope {scope.value!r}")
    return claims


async def _task_user(gateway: InGateway, credentials: Bearer) -> Claims:
    return await check_bearer(gateway, credentials, Scope.TASKS)


async def _admin(gateway: InGateway, credentials: Bearer) -> Claims:
    return await check_bearer(gateway, credentials, Scope.ADMIN)


TaskUser = Annotated[Claims, Depends(_task_user)]
"""A caller with access to their own tasks."""
Admin = Annotated[Claims, Depends(_admin)]
"""A caller with access to the queue."""


async def within(limit: RateLimit, what: str, *key: str) -> None:
    """Count one use of a limited resource.

    Raises:
        Problem: 429, if it was one too many.

    """
    wait = await limit.hit(*key)
    if wait is not None:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", f"{what}; try again in {wait:.0f} s", retry_after=wait
        )
