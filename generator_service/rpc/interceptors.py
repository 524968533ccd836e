"""Interceptors of every call: authentication, duration, and conversion of errors to statuses."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

from generator_service.domain.errors import InvalidRequest, TooManyStreams
from generator_service.ops.metrics import Metrics
from generator_service.rpc.auth import Authenticator, Caller, Scope
from generator_service.rpc.convert.status import Problem, problem
from generator_service.rpc.convert.texts import require_no_nul
from generator_service.rpc.message_parts import bounded
from generator_service.rpc.open_services import bound_requests
from generator_service.rpc.receiving import Context, Receiver

logger = logging.getLogger(__name__)

SERVICE_PREFIX = "/whitebg.v1."
SUBMIT_MANY = "/SubmitTasks"
UPLOADS = "/SubmitTask", SUBMIT_MANY
MAX_REQUEST_ID = 64
MAX_STREAMS = 200
"""Open streams of one account: each event of a user costs time for each of the user's watches."""
_caller: ContextVar[Caller] = ContextVar("caller")
_request_id: ContextVar[str] = ContextVar("request_id", default="")

# The stubs type a handler's functions for the synchronous server; with grpc.aio they are coroutine functions.
Handler = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of requests."""

    upload_bytes: int = 256 * 1024 * 1024
    """Limit of all photos being received or handled; a second limit of this size holds for all other requests being
    received."""
    upload_timeout: timedelta = timedelta(seconds=60)
    """Time limit from the grant of memory to the arrival of a photo."""
    request_timeout: timedelta = timedelta(seconds=10)
    """The same for any other request."""
    open_timeout: timedelta = timedelta(seconds=5)
    """The same for a request to health or reflection, which needs no token."""


def caller() -> Caller:
    """Return the caller of the current call."""
    return _caller.get()


def request_id() -> str:
    """Return the caller's id of the current call, for correlation in the logs; empty if none."""
    return _request_id.get()


def problem_of(error: Exception, method: str) -> Problem:
    """Return the status of any error of a method; an unexpected one is logged with an incident number."""
    found = problem(error)
    if found is None:
        incident = secrets.token_hex(4)
        extra = {"method": method, "incident": incident, "request_id": request_id()}
        logger.error("call failed unexpectedly", exc_info=error, extra=extra)
        text = f"something unexpected went wrong; the service's log has it under incident {incident}"
        found = Problem(grpc.StatusCode.INTERNAL, "INTERNAL", text)
    return found


class CallInterceptor(aio.ServerInterceptor):
    """Authenticates calls of our own services, bounds their requests and converts their errors to rich statuses.

    All calls are handled as if they streamed their request, which looks the same to clients: the interceptor then
    controls when gRPC receives the message, which is once the token is checked and the memory granted.

    Requests to health and reflection, which need no token, are bounded too; see `open_services`.
    """

    def __init__(
        self, authenticator: Authenticator, metrics: Metrics | None = None, limits: Limits | None = None
    ) -> None:
        self._authenticator = authenticator
        self._metrics = metrics or Metrics()
        limits = limits or Limits()
        self._uploads = Receiver(limits.upload_bytes, limits.upload_timeout)
        self._requests = Receiver(limits.upload_bytes, limits.request_timeout)
        self._streams: Counter[str | None] = Counter()
        """Open streams by account."""
        self._open = Receiver(limits.upload_bytes, limits.open_timeout)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the method that was called."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None:
            return None
        if not method.startswith(SERVICE_PREFIX):
            return bound_requests(handler, self._open)
        receiver = self._uploads if method.endswith(UPLOADS) else self._requests
        parse = bounded(method, handler.request_deserializer)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, receiver, handler.unary_stream), parse, handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(
            self._unary(method, receiver, handler.unary_unary), parse, handler.response_serializer
        )

    def _unary(
        self, method: str, receiver: Receiver, call: Callable[[Any, Context], Awaitable[Any]]
    ) -> Callable[[AsyncIterator[Any], Context], Any]:
        async def run(_: AsyncIterator[Any], context: Context) -> Any:
            with _Call(method, context, self._metrics) as observed:
                try:
                    self._identify(context)
                    async with receiver.share(_account()) as share:
                        # No variable holds the request: its handler controls how long it stays in memory.
                        return await call(_required(method, await receiver.receive(context, share)), context)
                except Exception as error:  # noqa: BLE001 (every error ends here, as a status)
                    observed.fail(error)
                    return None

        return run

    def _stream(
        self, method: str, receiver: Receiver, call: Callable[[Any, Context], AsyncIterator[Any]]
    ) -> Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]]:
        async def run(_: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            with _Call(method, context, self._metrics, streams=True) as observed:
                try:
                    self._identify(context)
                    with self._counted(_account()):
                        async with receiver.share(_account()) as share:
                            request = _required(method, await receiver.receive(context, share))
                        async for response in call(request, context):
                            yield response
                except Exception as error:  # noqa: BLE001 (every error ends here, as a status)
                    observed.fail(error)

        return run

    @contextmanager
    def _counted(self, account: str | None) -> Iterator[None]:
        if self._streams[account] >= MAX_STREAMS and account is not None:
            raise TooManyStreams(MAX_STREAMS)
        self._streams[account] += 1
        try:
            yield
        finally:
            self._streams[account] -= 1
            if not self._streams[account]:
                del self._streams[account]

    def _identify(self, context: Context) -> None:
        metadata = _metadata(context)
        _request_id.set(metadata.get("x-request-id", "")[:MAX_REQUEST_ID])
        _caller.set(self._authenticator.authenticate(metadata.get("authorization")))


@dataclass(slots=True)
class _Call:
    """A call in progress: logged and counted once, when it ends."""

    method: str
    context: Context
    metrics: Metrics
    streams: bool = False
    began: float = field(default_factory=time.monotonic)
    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.code = grpc.StatusCode.CANCELLED
        took = time.monotonic() - self.began
        self.metrics.called(self.method.rpartition("/")[2], self.code.name, None if self.streams else took)
        extra = {
            "method": self.method,
            "code": self.code.name,
            "reason": self.reason,
            "ms": round(took * 1000, 1),
            "request_id": request_id(),
            "user_id": known.subject if (known := _caller.get(None)) else "",
        }
        logger.info("grpc_call", extra=extra)

    def fail(self, error: Exception) -> None:
        """Set the call's status to that of an error; log unexpected errors with an incident number."""
        found = problem_of(error, self.method)
        self.code, self.reason = found.code, found.reason
        found.apply(self.context)


def _required(method: str, request: Any) -> Any:
    """Return a request that was received. Many submissions are checked separately, by the method.

    Raises:
        InvalidRequest: the client ended the call without one, or a text in it contains NUL.

    """
    if request is aio.EOF:
        raise InvalidRequest("request", "is missing; send one message")
    if not method.endswith(SUBMIT_MANY):
        require_no_nul(request)
    return request


def _account() -> str | None:
    """Return the account charged with the request's memory; None if the caller limits its users itself."""
    who = caller()
    return None if Scope.SERVICE in who.scopes else who.subject


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
