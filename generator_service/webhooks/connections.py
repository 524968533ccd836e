"""HTTP connections to endpoints, to checked addresses only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import httpcore2

from generator_service.webhooks.addresses import AddressRefused, Network, resolve

MAX_CONNECTIONS = 32


class Unreachable(Exception):
    """The endpoint can't be reached, or does not speak HTTP; the message has the reason."""


class EndpointConnections:
    """Connections that are kept open for the next message."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=CheckedBackend(allowed), max_connections=MAX_CONNECTIONS, keepalive_expiry=30.0
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def post(self, url: str, fields: Mapping[str, str], body: bytes) -> int:
        """Post a body with these header fields; return the response's status without reading its body.

        Raises:
            AddressRefused: the host's address must not be connected to.
            Unreachable: there was no response.

        """
        try:
            async with self._pool.stream("POST", url, headers=list(fields.items()), content=body) as response:
                return int(response.status)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            raise Unreachable(str(error) or type(error).__name__) from error


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only. TLS still verifies the host's name."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
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
        for address in await resolve(host, port, self._allowed):
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
