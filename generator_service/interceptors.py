"""Around every call: who is calling, how long it took, and what the caller is told when it fails."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc
from grpc import aio

from generator_service.auth import Authenticator, Caller
from generator_service.convert.status import Problem, problem

logger = logging.getLogger(__name__)

SERVICE_PREFIX = "/whitebg.v1."
_caller: ContextVar[Caller] = ContextVar("caller")

Context = aio.ServicerContext[Any, Any]
# The stubs type a handler's functions for the synchronous server; with grpc.aio they are coroutine functions.
Handler = Any


def caller() -> Caller:
    """Return who is making the present call."""
    return _caller.get()


class CallInterceptor(aio.ServerInterceptor):
    """Authenticates calls of our own services and turns their errors into rich statuses.

    Health and reflection, which tell nothing of anybody's tasks, pass as they are.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the method that was called."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith(SERVICE_PREFIX):
            return handler
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, method: str, call: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Any]:
        async def run(request: Any, context: Context) -> Any:
            began = time.monotonic()
            try:
                self._identify(context)
                response = await call(request, context)
            except aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 (every error ends here, as a status)
                await _abort(method, context, error, began)
            else:
                _log(method, context, grpc.StatusCode.OK, began)
                return response

        return run

    def _stream(
        self, method: str, call: Callable[[Any, Context], AsyncIterator[Any]]
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            began = time.monotonic()
            try:
                self._identify(context)
                async for response in call(request, context):
                    yield response
            except aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 (every error ends here, as a status)
                await _abort(method, context, error, began)
            else:
                _log(method, context, grpc.StatusCode.OK, began)

        return run

    def _identify(self, context: Context) -> None:
        header = _metadata(context).get("authorization")
        _caller.set(self._authenticator.authenticate(header))


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _abort(method: str, context: Context, error: Exception, began: float) -> None:
    found = problem(error)
    if found is None:
        incident = secrets.token_hex(4)
        logger.error("call failed unexpectedly", exc_info=error, extra={"method": method, "incident": incident})
        text = f"something unexpected went wrong; the service's log has it under incident {incident}"
        found = Problem(grpc.StatusCode.INTERNAL, "INTERNAL", text)
    status = found.status()
    _log(method, context, found.code, began, found.reason)
    await context.abort(found.code, found.message, status.trailing_metadata)


def _log(method: str, context: Context, code: grpc.StatusCode, began: float, reason: str = "") -> None:
    extra = {
        "method": method,
        "code": code.name,
        "reason": reason,
        "ms": round((time.monotonic() - began) * 1000, 1),
        "request_id": _metadata(context).get("x-request-id", ""),
        "user_id": known.subject if (known := _caller.get(None)) else "",
    }
    logger.info("grpc_call", extra=extra)
