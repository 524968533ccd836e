"""Bounds the requests of health and reflection, which need no token and have third-party handlers.

gRPC accepts messages of one size for all services, so each unfinished request could hold as much as a photo. A
request is received within the memory share of its sender's address, and only small ones reach the handler.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc import aio

from generator_service.domain.errors import InvalidRequest, WhitebgError
from generator_service.rpc.convert.status import problem
from generator_service.rpc.receiving import Context, Receiver

MAX_REQUEST_BYTES = 64 * 1024

# The stubs type a handler's functions for the synchronous server; with grpc.aio they are coroutine functions.
Handler = Any


def bound_requests(handler: Handler, receiver: Receiver) -> Handler:
    """Wrap a handler so that its requests are received by ``receiver``; they look the same to clients."""
    streams_out = handler.response_streaming
    if handler.request_streaming:
        # Reflection; no service without a token maps a stream to a single message.
        behaviour = _all_requests(handler.stream_stream, receiver)
    else:
        behaviour = _one_request(handler.unary_stream if streams_out else handler.unary_unary, receiver)
    make = grpc.stream_stream_rpc_method_handler if streams_out else grpc.stream_unary_rpc_method_handler
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _one_request(call: Callable[[Any, Context], Any], receiver: Receiver) -> Callable[..., Any]:
    async def run(_: AsyncIterator[Any], context: Context) -> Any:
        try:
            request = await _receive(receiver, context)
            if request is aio.EOF:
                raise InvalidRequest("request", "is missing; send one message")
        except WhitebgError as error:
            _reject(context, error)
            return None
        return await _respond(call(request, context), context)

    return run


def _all_requests(call: Callable[[AsyncIterator[Any], Context], Any], receiver: Receiver) -> Callable[..., Any]:
    async def requests(context: Context) -> AsyncIterator[Any]:
        while (request := await _receive(receiver, context)) is not aio.EOF:
            yield request

    async def run(_: AsyncIterator[Any], context: Context) -> Any:
        try:
            return await _respond(call(requests(context), context), context)
        except WhitebgError as error:
            _reject(context, error)

    return run


async def _receive(receiver: Receiver, context: Context) -> Any:
    """Return the next request, or `aio.EOF`.

    Raises:
        InvalidRequest: the request is too large.
        Overloaded: too many requests are waiting for memory.
        RequestIncomplete: the request did not arrive in time.

    """
    async with receiver.share(_address(context)) as share:
        request = await receiver.receive(context, share)
    if request is not aio.EOF and request.ByteSize() > MAX_REQUEST_BYTES:
        raise InvalidRequest("request", f"has {request.ByteSize()} bytes; at most {MAX_REQUEST_BYTES} are allowed")
    return request


async def _respond(responses: Any, context: Context) -> Any:
    """Return a handler's response, or send the responses that it yields."""
    if inspect.isawaitable(responses):
        return await responses
    async for response in responses:
        await context.write(response)
    return None


def _reject(context: Context, error: WhitebgError) -> None:
    found = problem(error)
    if found is None:
        raise error
    found.apply(context)


def _address(context: Context) -> str:
    """Return the sender's address without its port, such as ``ipv4:192.0.2.7``."""
    return context.peer().rpartition(":")[0]
