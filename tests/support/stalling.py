"""A proxy in front of a server whose clients stall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def stalling_proxy(port: int, after: int) -> AsyncIterator[str]:
    """Forward only the first ``after`` bytes of each client's connection, and everything from the server."""
    copying: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, most: float) -> None:
        while most > 0 and (data := await source.read(64 * 1024)):
            target.write(data)
            await target.drain()
            most -= len(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, to_server))
        copying.add(asyncio.create_task(copy(reader, to_server, after)))
        copying.add(asyncio.create_task(copy(from_server, writer, float("inf"))))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for task in copying:
            task.cancel()
        await asyncio.gather(*copying, return_exceptions=True)
        for each in writers:
            each.transport.abort()
        await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)
        server.close()
