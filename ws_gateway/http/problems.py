"""Every error of the HTTP API has one shape: ``{"error": {"code", "message", "details"}}``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ws_gateway.auth.jwt import TokenUncheckable
from ws_gateway.upstream.errors import ServiceError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2
"""Seconds until a retry where the service is unavailable and gives no time itself."""
MAX_DETAILS = 20
"""Invalid fields that are named; a request of 16 KiB can have thousands."""


class ProblemDetail(BaseModel):
    """One field that was wrong."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable name in lower_snake_case", examples=["task_not_found"])
    message: str = Field(description="Problem and remedy, for people")
    details: list[ProblemDetail] = Field(default_factory=list)


class ProblemResponse(BaseModel):
    """The body of every error."""

    error: ProblemBody


class Problem(HTTPException):
    """An answer that is an error. ``retry_after`` is in seconds."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        details: list[ProblemDetail] | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        all_headers = dict(headers or {})
        if retry_after is not None:
            all_headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
        super().__init__(status, message, all_headers or None)
        self.body = ProblemResponse(error=ProblemBody(code=code, message=message, details=details or []))


_BY_STATUS: Mapping[grpc.StatusCode, HTTPStatus] = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.GONE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.CANCELLED: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
UNNAMED = "UNAVAILABLE"
"""The service's reason where only its message names the unavailable component."""
# Where the service's reason is more specific than its status.
_BY_REASON: Mapping[str, HTTPStatus] = {
    "IMAGE_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "IMAGE_TOO_MANY_PIXELS": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "IMAGE_NOT_RECOGNISED": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "IMAGE_UNSUPPORTED": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "MASK_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "MASK_TOO_MANY_PIXELS": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "MASK_NOT_RECOGNISED": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "MASK_UNSUPPORTED": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


def problem_of(error: ServiceError) -> Problem:
    """Translate an error of the service.

    Statuses that only a fault of the gateway can cause, such as UNAUTHENTICATED for its own token, are 502.
    """
    status = _BY_REASON.get(error.reason) or _BY_STATUS.get(error.status, HTTPStatus.BAD_GATEWAY)
    if status is HTTPStatus.BAD_REQUEST and error.violations:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = (error.reason or error.status.name).lower()
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        return _unavailable(error, status)
    if status is HTTPStatus.BAD_GATEWAY:
        log.error("the service refused the gateway itself: %s", error)
        return Problem(status, "bad_gateway", "the generator service could not answer; see the gateway's log")
    retry_after = error.retry_after
    if status is HTTPStatus.TOO_MANY_REQUESTS and retry_after is None:
        retry_after = RETRY_AFTER_S
    return Problem(
        status,
        code,
        error.message,
        details=[ProblemDetail(field=each.field, message=each.description) for each in error.violations],
        retry_after=retry_after,
    )


def _unavailable(error: ServiceError, status: HTTPStatus) -> Problem:
    """Return the service's own reason if it answered with one; otherwise report the service as unavailable."""
    named = error.reason not in {"", UNNAMED}
    return Problem(
        status,
        error.reason.lower() if named else "service_unavailable",
        error.message
        if error.reason
        else f"the generator service is unavailable; nothing is lost, try again in {RETRY_AFTER_S} s",
        retry_after=error.retry_after or RETRY_AFTER_S,
    )


def install(app: FastAPI) -> None:
    """Give every error of the app the one shape."""

    async def http_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise TypeError("registered for HTTPException only") from error
        if not isinstance(error, Problem):
            name = HTTPStatus(error.status_code).name.lower()
            error = Problem(HTTPStatus(error.status_code), name, str(error.detail), headers=error.headers)
        return respond(error)

    async def service_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, ServiceError):
            raise TypeError("registered for ServiceError only") from error
        return respond(problem_of(error))

    async def token_uncheckable(_: Request, error: Exception) -> Response:
        if not isinstance(error, TokenUncheckable):
            raise TypeError("registered for TokenUncheckable only") from error
        return respond(Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, str(error), retry_after=RETRY_AFTER_S))

    async def invalid_request(_: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise TypeError("registered for RequestValidationError only") from error
        return respond(invalid([(".".join(map(str, each["loc"])), str(each["msg"])) for each in error.errors()]))

    async def fault(_: Request, __: Exception) -> Response:
        return respond(
            Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "a fault of the gateway; see its log")
        )

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(TokenUncheckable, token_uncheckable)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(Exception, fault)


def invalid(fields: list[tuple[str, str]]) -> Problem:
    """Report the invalid fields of a request, each with the reason; of very many, the first."""
    fields = fields[:MAX_DETAILS]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_request",
        "; ".join(f"{name}: {message}" for name, message in fields),
        details=[ProblemDetail(field=name, message=message) for name, message in fields],
    )


def respond(problem: Problem) -> Response:
    """Make the response."""
    return Response(
        problem.body.model_dump_json(),
        status_code=problem.status_code,
        headers=problem.headers,
        media_type="application/json",
    )


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors that a route may answer with."""
    return {int(status): {"model": ProblemResponse, "description": status.phrase} for status in statuses}
