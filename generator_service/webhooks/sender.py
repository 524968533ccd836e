"""Sends one message to an endpoint, within limits of time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import httpcore2

from generator_service.domain.webhook import Endpoint, Message, headers
from generator_service.webhooks.addresses import AddressRefused, CheckedBackend, Network, require_url

REQUEST_SECONDS = 15.0
"""Time limit of one request, from the resolution of the name to the status of the response."""
MAX_CONNECTIONS = 32


class NotDelivered(Exception):
    """The endpoint did not accept the message; the message has the reason."""


class Sender:
    """Posts messages. A response with a status from 200 to 299 accepts a message; its body is not read."""

    def __init__(self, *, allowed: Sequence[Network], allow_http: bool) -> None:
        self._allow_http = allow_http
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=CheckedBackend(allowed), max_connections=MAX_CONNECTIONS, keepalive_expiry=30.0
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def send(self, endpoint: Endpoint, message: Message, now: datetime) -> None:
        """Send a message, signed at the wall time ``now``.

        Raises:
            NotDelivered: it was not accepted.

        """
        fields = {
            "content-type": "application/json",
            "user-agent": "whitebg-webhooks/1",
            **headers(message, endpoint.secrets, now),
        }
        try:
            require_url(endpoint.url, allow_http=self._allow_http)
            async with (
                asyncio.timeout(REQUEST_SECONDS),
                self._pool.stream("POST", endpoint.url, headers=list(fields.items()), content=message.body) as response,
            ):
                if not 200 <= response.status < 300:
                    raise NotDelivered(f"the endpoint answered with status {response.status}")
        except TimeoutError:
            raise NotDelivered(f"the endpoint did not answer within {REQUEST_SECONDS:g} s") from None
        except AddressRefused as error:
            raise NotDelivered(str(error)) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            raise NotDelivered(f"the endpoint can't be reached: {str(error) or type(error).__name__}") from error
