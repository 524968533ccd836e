"""The harness of the gateway's tests: a real server, an HTTP client and WebSocket clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.server import Server

SECRET = "a secret that only the tests share with anyone"


def token_for(user: str, **claims: Any) -> str:
    """Sign a session token that outlives any run of the tests, because some tokens are made during collection."""
    expires = datetime.now(UTC) + timedelta(days=1)
    return jwt.encode(
        {"sub": user, "aud": "whitebg", "exp": expires, "scope": "tasks"} | claims, SECRET, algorithm="HS256"
    )


@dataclass
class Client:
    """A WebSocket client with as little logic as a few lines in a browser."""

    socket: ClientConnection
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            message: dict[str, Any] = orjson.loads(await self.socket.recv())
        self.messages.append(message)
        return message

    async def until(self, enough: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return the messages up to and including the first match."""
        begin = len(self.messages)
        while not enough(await self.next()):
            continue
        return self.messages[begin:]

    async def send(self, **body: Any) -> None:
        await self.socket.send(orjson.dumps(body).decode())

    async def settled(self) -> None:
        """Wait until the gateway has registered this client: only an open session answers a ping."""
        await self.send(type="ping")
        await self.until(lambda message: message["type"] == "pong")

    async def close_code(self) -> int | None:
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
        return self.socket.close_code


@dataclass
class GatewayHarness:
    """Everything that a test connects to."""

    service: DrivenService
    server: Server
    http: httpx.AsyncClient
    base: str

    def headers(self, user: str = "ann", **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_for(user, **claims)}"}

    @asynccontextmanager
    async def open(
        self, user: str = "ann", *, since: str | None = None, v2: bool = False, **options: Any
    ) -> AsyncIterator[Client]:
        """Connect as a user, and return once the gateway handles the client's messages."""
        query = httpx.QueryParams({"token": token_for(user)} | ({} if since is None else {"since": since}))
        protocols = [Subprotocol("whitebg.v2")] if v2 else None
        async with self.open_raw(f"?{query}", subprotocols=protocols, **options) as socket:
            client = Client(socket)
            if since is None and not v2:
                await client.settled()
            yield client

    def open_raw(self, query: str, **options: Any) -> connect:
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE} | options
        return connect(f"ws://{self.base}/ws/notifications{query}", compression=None, **options)

    async def hub_connected(self) -> None:
        """Wait until the gateway watches the service."""
        async with asyncio.timeout(PATIENCE):
            await self.server.gateway.hub.positioned.wait()
