"""A TCP proxy whose connections can be cut."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from tests.support.processes import free_port

_RESET = struct.pack("ii", 1, 0)
"""With SO_LINGER: closing sends RST, as a crashed host does."""


class Proxy:
    """Passes connections on ``port`` to ``upstream``, a port of this machine."""

    def __init__(self, upstream: int) -> None:
        self.port = free_port()
        self._upstream = upstream
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self, seconds: float) -> None:
        """Reset all connections, and refuse new ones for a while."""
        self._refusing = True
        self._reset()
        await asyncio.sleep(seconds)
        self._refusing = False

    async def close(self) -> None:
        """Stop listening and reset all connections."""
        assert self._server is not None
        self._server.close()
        self._refusing = True
        self._reset()
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _reset(self) -> None:
        for writer in self._open:
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self._open.add(writer)
        server: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            from_server, server = await asyncio.open_connection("127.0.0.1", self._upstream)
            self._open.add(server)
            await asyncio.wait(
                [asyncio.ensure_future(_copy(reader, server)), asyncio.ensure_future(_copy(from_server, writer))]
            )
        except (OSError, asyncio.CancelledError):
            return  # The client sees its connection end.
        finally:
            for each in filter(None, (writer, server)):
                self._open.discard(each)
                each.transport.abort()
            self._passing.discard(task)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except OSError:
        target.transport.abort()
    else:
        if target.can_write_eof():
            with suppress(OSError):
                target.write_eof()
