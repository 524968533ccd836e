"""HTTP connections to endpoints, to checked addresses only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus

import httpcore2

from generator_service.webhooks.addresses import AddressRefused, Network, resolve

MAX_CONNECTIONS = 32
KEEP_SECONDS = 4.0
"""How long an idle connection is kept: less than most servers do, so that none is closed under a message."""
MAX_BODY = 64 * 1024
BODY_SECONDS = 1.0
"""Limits of a response's body. A longer or slower one costs the connection only."""
RESOLVERS = 32
"""Threads that resolve names, so that a silent name server holds up nothing else. Each waits longer than a request."""
_FRAMING = {b"content-length", b"transfer-encoding"}
_ERRORS = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)


class Unreachable(Exception):
    """The endpoint can't be reached, or does not speak HTTP; the message has the reason."""


class EndpointConnections:
    """Connections that are kept open for the next message."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhook-names")
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=CheckedBackend(allowed, self._resolvers),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_SECONDS,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, fields: Mapping[str, str], body: bytes, *, within: float) -> int:
        """Post a body with these header fields; return the response's status, which arrived ``within`` seconds.

        The response's body is dropped; within limits it is read, for the connection to be used again.

        Raises:
            AddressRefused: the host's address must not be connected to.
            TimeoutError: there was no response in time.
            Unreachable: there was no response.

        """
        try:
            async with (
                asyncio.timeout(within) as limit,
                self._pool.stream("POST", url, headers=list(fields.items()), content=body) as response,
            ):
                limit.reschedule(None)  # The status decides.
                await _drop_body(response)
                return int(response.status)
        except _ERRORS as error:
            raise Unreachable(str(error) or type(error).__name__) from error


async def _drop_body(response: httpcore2.Response) -> None:
    """Read a body whose end is marked, so that the connection can be used again."""
    if response.status != HTTPStatus.NO_CONTENT and not _FRAMING & {name.lower() for name, _ in response.headers}:
        return
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in response.aiter_stream():
                size += len(part)
                if size > MAX_BODY:
                    return
    except (*_ERRORS, TimeoutError):
        return  # The status has decided; the connection is closed.


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only. TLS still verifies the host's name."""

    def __init__(self, allowed: Sequence[Network], resolvers: Executor) -> None:
        self._allowed = allowed
        self._resolvers = resolvers
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve and check a host, then connect to the first of its addresses that answers."""
        problem: Exception | None = None
        for address in await resolve(host, port, self._allowed, self._resolvers):
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem or httpcore2.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002  (the signature is the library's)
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: an endpoint is a host."""
        raise AddressRefused(f"{path} is not a host")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
