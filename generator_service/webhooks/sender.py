"""Sends one message to an endpoint, within limits of time and size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from generator_service.domain.webhook import Endpoint, Message, headers
from generator_service.webhooks.addresses import AddressRefused, Network, require_url

if TYPE_CHECKING:
    from generator_service.webhooks.connections import EndpointConnections

REQUEST_SECONDS = 15.0
"""Time limit of one request, from the resolution of the name to the status of the response."""


class NotDelivered(Exception):
    """The endpoint did not accept the message; the message has the reason."""


class Sender:
    """Posts messages. A response with a status from 200 to 299 accepts a message; its body is dropped."""

    def __init__(self, *, allowed: Sequence[Network], allow_http: bool) -> None:
        self._allowed = allowed
        self._allow_http = allow_http
        self._connections: EndpointConnections | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._connections is not None:
            await self._connections.close()

    async def send(self, endpoint: Endpoint, message: Message, now: datetime) -> None:
        """Send a message, signed at the wall time ``now``.

        Raises:
            NotDelivered: it was not accepted.

        """
        # The HTTP client takes a tenth of the service's start to import, and most services have no webhooks.
        from generator_service.webhooks.connections import EndpointConnections, Unreachable

        if self._connections is None:
            self._connections = EndpointConnections(self._allowed)
        fields = {
            "content-type": "application/json",
            "user-agent": "whitebg-webhooks/1",
            **headers(message, endpoint.secrets, now),
        }
        try:
            require_url(endpoint.url, allow_http=self._allow_http)
            status = await self._connections.post(endpoint.url, fields, message.body, within=REQUEST_SECONDS)
        except TimeoutError:
            raise NotDelivered(f"the endpoint did not answer within {REQUEST_SECONDS:g} s") from None
        except AddressRefused as error:
            raise NotDelivered(str(error)) from None
        except Unreachable as error:
            raise NotDelivered(f"the endpoint can't be reached: {error}") from error
        if not 200 <= status < 300:
            raise NotDelivered(f"the endpoint answered with status {status}")
