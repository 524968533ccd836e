"""What routes ask for: the gateway's parts, and who is calling."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, Path, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from ws_gateway.auth import Claims, Scope, TokenExpired, TokenRejected
from ws_gateway.gateway import Gateway
from ws_gateway.http.problems import Problem

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A session token, HS256")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]

TaskId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The task")]


def gateway_of(connection: HTTPConnection) -> Gateway:
    """Return the parts of this process."""
    return cast("Gateway", connection.app.state.gateway)


InGateway = Annotated[Gateway, Depends(gateway_of)]


def check_bearer(gateway: Gateway, credentials: HTTPAuthorizationCredentials | None, scope: Scope) -> Claims:
    """Return who is calling.

    Raises:
        Problem: 401 without a good token, 403 if it lacks the scope.

    """
    try:
        claims = gateway.tokens.verify_api("" if credentials is None else credentials.credentials)
    except TokenRejected as error:
        code = "token_expired" if isinstance(error, TokenExpired) else "unauthenticated"
        headers = {"WWW-Authenticate": 'Bearer realm="whitebg"'}
        raise Problem(HTTPStatus.UNAUTHORIZED, code, str(error), headers=headers) from None
    if scope not in claims.scopes:
        raise Problem(HTTPStatus.FORBIDDEN, "scope_missing", f"the token lacks the scope {scope.value!r}")
    return claims


def _task_user(gateway: InGateway, credentials: Bearer) -> Claims:
    return check_bearer(gateway, credentials, Scope.TASKS)


def _admin(gateway: InGateway, credentials: Bearer) -> Claims:
    return check_bearer(gateway, credentials, Scope.ADMIN)


TaskUser = Annotated[Claims, Depends(_task_user)]
"""Someone who may work with their own tasks."""
Admin = Annotated[Claims, Depends(_admin)]
"""Someone who may see the queue."""
