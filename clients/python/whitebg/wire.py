"""One connection to the service: channel, token, deadline, repetition. Knows no task."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc
import grpc.aio

from whitebg import errors
from whitebg.status import error_from_rpc
from whitebg.tls import ClientTls
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub
from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceStub
from whitebg_process.backoff import Backoff

if TYPE_CHECKING:
    # These exist in the stubs only.
    from whitebg.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A JWT, or a function that returns a fresh one; it is asked before every call."""

Tls = bool | ClientTls | grpc.ChannelCredentials
"""False for plain text, True for TLS with gRPC's own roots, or the files or credentials to use."""

_MAX_MESSAGE_BYTES = 34 * 1024 * 1024
_CHANNEL_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # The watch has its own backoff; the channel's default of up to two minutes would hide a restarted service.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A watch hears a bookmark every 30 s, so a ping goes out only where the line is dead.
    ("grpc.keepalive_time_ms", 45_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]

_Q = TypeVar("_Q")
_R = TypeVar("_R")


class _PageRequest(Protocol):
    page_token: str


class _Page(Protocol):
    next_page_token: str


_PageQ = TypeVar("_PageQ", bound=_PageRequest)
_PageR = TypeVar("_PageR", bound=_Page)


def open_channel(target: str, tls: Tls, options: Sequence[tuple[str, int | str]]) -> grpc.aio.Channel:
    """Open a channel in the loop that runs; nothing is sent yet.

    Raises:
        CertificateError: the files of a `ClientTls` can't be used.
        ClientStateError: the process was forked from one that had opened a channel.

    """
    _check_process()
    if tls is False:
        return grpc.aio.insecure_channel(target, options=options)
    if isinstance(tls, ClientTls):
        if tls.server_name is not None:
            options = [*options, ("grpc.ssl_target_name_override", tls.server_name)]
        tls = tls.credentials()
    credentials = grpc.ssl_channel_credentials() if tls is True else tls
    return grpc.aio.secure_channel(target, credentials, options=options)


_opened_in: int | None = None
"""Process in which the first channel was opened."""


def _check_process() -> None:
    # gRPC's threads don't survive a fork, and any call, even over a new channel, would wait for them for ever.
    global _opened_in  # noqa: PLW0603  gRPC's own state is of the whole process
    if _opened_in is None:
        _opened_in = os.getpid()
    elif _opened_in != os.getpid():
        raise errors.ClientStateError(
            f"gRPC was started in process {_opened_in}, from which this one was forked, and does not work here; "
            "open the first client after the fork, or start processes with multiprocessing's method 'spawn'"
        )


class Wire:
    """A channel that is opened when it is first needed, and what every call over it has in common."""

    def __init__(self, target: str, token: Token, *, tls: Tls, timeout: float, backoff: Backoff) -> None:
        self.target = target
        """``host:port`` of the service."""
        self.timeout = timeout
        """Seconds that one call may take with its repetitions, and a stream until its first response."""
        self._token = token
        self._tls = tls
        self._backoff = backoff
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    @property
    def renewable_token(self) -> bool:
        """Whether a new token can be had."""
        return callable(self._token)

    @property
    def stub(self) -> GeneratorServiceAsyncStub:
        """The service's methods."""
        return GeneratorServiceStub(self._open())

    @property
    def admin_stub(self) -> AdminServiceAsyncStub:
        """The methods for operators."""
        return AdminServiceStub(self._open())

    def _open(self) -> grpc.aio.Channel:
        # Put off to here because a grpc.aio channel belongs to the loop that is running when it is made.
        if self._closed:
            raise errors.ClientStateError("the client is closed; create a new one")
        if self._channel is None:
            self._channel = open_channel(self.target, self._tls, _CHANNEL_OPTIONS)
        return self._channel

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled, later ones raise `ClientStateError`."""
        self._closed = True
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close(None)

    async def ready(self, timeout: float) -> None:
        """Wait until the service can be reached, at most ``timeout`` seconds.

        Raises:
            ServiceUnavailable: it could not be reached in time.

        """
        try:
            async with asyncio.timeout(timeout):
                await self._open().channel_ready()
        except TimeoutError:
            raise errors.ServiceUnavailable(
                f"nothing answers at {self.target} within {timeout:g} s; is the service running there?"
            ) from None

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token() if callable(self._token) else self._token
        if inspect.isawaitable(token):
            token = await token
        return (("authorization", f"Bearer {token}"),)

    async def call(self, method: grpc.aio.UnaryUnaryMultiCallable[_Q, _R], request: _Q) -> _R:
        """Make a unary call; repeat it while the service is unavailable and there is time, as late as it asks.

        Raises:
            WhitebgError: the service's answer, or that there was none. A last try that found no time for an answer does
                not hide why the ones before it failed.

        """
        deadline = time.monotonic() + self.timeout
        unavailable: errors.ServiceUnavailable | None = None
        for failures in count(1):
            try:
                left = deadline - time.monotonic()
                return await method(request, timeout=left, metadata=await self._metadata())
            except grpc.aio.AioRpcError as error:
                failure = error_from_rpc(error, self.target)
                # From None: the RPC error's text adds nothing but its debug string.
                if isinstance(failure, errors.DeadlineExceeded) and unavailable is not None:
                    raise unavailable from None
                if not isinstance(failure, errors.ServiceUnavailable):
                    raise failure from None
                unavailable = failure
                delay = max(self._backoff.delay(failures), failure.retry_after or 0.0)
                if time.monotonic() + delay >= deadline:
                    raise failure from None
                await asyncio.sleep(delay)
        raise AssertionError("count() does not end")

    async def pages(
        self, method: grpc.aio.UnaryUnaryMultiCallable[_PageQ, _PageR], request: _PageQ
    ) -> AsyncGenerator[_PageR]:
        """Yield all pages of a list, from that of the request on. The caller may change the request in between.

        Raises:
            WhitebgError: as `call` does.

        """
        while True:
            page = await self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def stream(self, method: grpc.aio.UnaryStreamMultiCallable[_Q, _R], request: _Q) -> AsyncGenerator[_R]:
        """Yield what one streaming call brings; closing the generator ends the call.

        Raises:
            WhitebgError: why the stream ended, if not well.

        """
        call = method(request, metadata=await self._metadata())
        try:
            responses = aiter(call)
            try:
                first = await asyncio.wait_for(anext(responses), self.timeout)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise errors.ServiceUnavailable(
                    f"the service at {self.target} did not answer within {self.timeout:g} s; check the address"
                ) from None
            yield first
            async for response in responses:
                yield response
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error, self.target) from None
        finally:
            call.cancel()
