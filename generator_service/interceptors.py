"""Around every call: who is calling, how long it took, and what the caller is told when it fails."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

from generator_service.auth import Authenticator, Caller
from generator_service.convert.status import Problem, problem
from generator_service.metrics import Metrics

logger = logging.getLogger(__name__)

SERVICE_PREFIX = "/whitebg.v1."
MAX_REQUEST_ID = 64
_caller: ContextVar[Caller] = ContextVar("caller")
_request_id: ContextVar[str] = ContextVar("request_id", default="")

Context = aio.ServicerContext[Any, Any]
# The stubs type a handler's functions for the synchronous server; with grpc.aio they are coroutine functions.
Handler = Any


def caller() -> Caller:
    """Return who is making the present call."""
    return _caller.get()


def request_id() -> str:
    """Return the id that the caller gave the present call, to find it again in the logs; empty if none."""
    return _request_id.get()


class CallInterceptor(aio.ServerInterceptor):
    """Authenticates calls of our own services and turns their errors into rich statuses.

    Health and reflection, which tell nothing of anybody's tasks, pass as they are.
    """

    def __init__(self, authenticator: Authenticator, metrics: Metrics | None = None) -> None:
        self._authenticator = authenticator
        self._metrics = metrics or Metrics()

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
            with _Call(method, context, self._metrics) as observed:
                try:
                    self._identify(context)
                    return await call(request, context)
                except aio.AbortError:
                    raise
                except Exception as error:  # noqa: BLE001 (every error ends here, as a status)
                    await observed.abort(error)

        return run

    def _stream(
        self, method: str, call: Callable[[Any, Context], AsyncIterator[Any]]
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            with _Call(method, context, self._metrics, streams=True) as observed:
                try:
                    self._identify(context)
                    async for response in call(request, context):
                        yield response
                except aio.AbortError:
                    raise
                except Exception as error:  # noqa: BLE001 (every error ends here, as a status)
                    await observed.abort(error)

        return run

    def _identify(self, context: Context) -> None:
        metadata = _metadata(context)
        _request_id.set(metadata.get("x-request-id", "")[:MAX_REQUEST_ID])
        _caller.set(self._authenticator.authenticate(metadata.get("authorization")))


@dataclass(slots=True)
class _Call:
    """A call under way: logged and counted once, when it ends."""

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

    async def abort(self, error: Exception) -> None:
        """End the call with a rich status; what nobody foresaw is logged under an incident number."""
        found = problem(error)
        if found is None:
            incident = secrets.token_hex(4)
            extra = {"method": self.method, "incident": incident, "request_id": request_id()}
            logger.error("call failed unexpectedly", exc_info=error, extra=extra)
            text = f"something unexpected went wrong; the service's log has it under incident {incident}"
            found = Problem(grpc.StatusCode.INTERNAL, "INTERNAL", text)
        self.code, self.reason = found.code, found.reason
        await self.context.abort(found.code, found.message, found.status().trailing_metadata)


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
