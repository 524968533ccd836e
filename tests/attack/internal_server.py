"""A server of the operator's network that no webhook may reach; it counts its connections."""

from __future__ import annotations

import asyncio
from typing import Self


class InternalServer:
    """Answers each connection with one status, and a ``Location`` if one is given."""

    def __init__(self, status: int = 200, location: str = "") -> None:
        head = [f"HTTP/1.1 {status} X", "Content-Length: 0", "Connection: close"]
        self._answer = "\r\n".join([*head, *([f"Location: {location}"] if location else []), "", ""]).encode()
        self._server: asyncio.Server | None = None
        self.connections = 0

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
